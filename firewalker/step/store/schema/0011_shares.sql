-- Lanes for shares of the facts: whom or what each is about, as `firewalker/runtime/outbox/schema.sql` has it.
ALTER TABLE outbox
  ADD COLUMN about_id BINARY(16) NOT NULL DEFAULT '',
  ADD COLUMN share TINYINT UNSIGNED NOT NULL DEFAULT 0,
  ADD KEY outbox_share (destination, share, set_aside, position);
