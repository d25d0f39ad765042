-- What a service that tells others about its changes needs: copy this into its first migration.

-- Facts that still have to reach a destination, one row per fact and destination. A row is gone once it was delivered.
CREATE TABLE outbox (
  position BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  destination VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_id BINARY(16) NOT NULL,
  kind VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  create_time DATETIME(3) NOT NULL,
  due_time DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  attempts INT UNSIGNED NOT NULL DEFAULT 0,
  set_aside TINYINT(1) NOT NULL DEFAULT 0,
  last_error VARCHAR(200) CHARACTER SET ascii NOT NULL DEFAULT '',
  PRIMARY KEY (position),
  UNIQUE KEY outbox_event (destination, event_id),
  KEY outbox_next (destination, set_aside, position)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Who delivers to a destination at the moment: one process at a time, so that facts arrive in order.
CREATE TABLE outbox_lane (
  destination VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner BINARY(16) NULL,
  lease_until DATETIME(3) NULL,
  PRIMARY KEY (destination)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Whom or what a fact is about: an id whose facts stay in order, and by which this table can be sharded. Which share of all
-- ids that is: each may have a lane of its own; 0 is before and behind all others, as from processes that know no shares.
ALTER TABLE outbox
  ADD COLUMN about_id BINARY(16) NOT NULL DEFAULT '',
  ADD COLUMN share TINYINT UNSIGNED NOT NULL DEFAULT 0,
  ADD KEY outbox_share (destination, share, set_aside, position);
