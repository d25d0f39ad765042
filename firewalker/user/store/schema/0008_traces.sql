-- The trace of the call that a mail was left by, as W3C's `traceparent`; NULL where none is known.
ALTER TABLE mail ADD COLUMN traceparent CHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL;
