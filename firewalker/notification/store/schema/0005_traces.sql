-- The trace that a push is part of, as W3C's `traceparent`: of what caused it, then of its planning. NULL where none is known.
ALTER TABLE push ADD COLUMN traceparent CHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL;
ALTER TABLE delivery ADD COLUMN traceparent CHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL;
