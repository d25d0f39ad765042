-- Pictures that were promised a place, and those that are shown. Ids are random: whoever does not know one cannot guess its link.
CREATE TABLE avatar (
    avatar_id    BINARY(16)  NOT NULL,
    user_id      BINARY(16)  NOT NULL,
    content_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,    -- of the upload
    size_bytes   INT UNSIGNED NOT NULL,
    create_time  DATETIME(3) NOT NULL,
    shown        TINYINT(1)  NOT NULL DEFAULT 0,
    PRIMARY KEY (avatar_id),
    KEY avatar_of_user (user_id),
    KEY avatar_forgotten (shown, create_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
