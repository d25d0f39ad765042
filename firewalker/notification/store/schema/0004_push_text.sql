-- What pushes to a user say: FULL, or BARE for whoever does not want them read on a locked phone.
ALTER TABLE recipient
    ADD COLUMN push_text VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'FULL';
