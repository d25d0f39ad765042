-- Groups and who is in them, as the user service has told it.

CREATE TABLE walking_group (
    group_id  BINARY(16)   NOT NULL,
    name      VARCHAR(128) NOT NULL,
    -- Of the event that the name is from: an older one changes nothing.
    name_time DATETIME(6)  NOT NULL,
    -- A group that is deleted never comes back.
    deleted   TINYINT(1)   NOT NULL DEFAULT 0,
    PRIMARY KEY (group_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Every joining and leaving. Facts, not intervals: whatever their order and number, the same set of them remains.
CREATE TABLE group_change (
    group_id    BINARY(16)  NOT NULL,
    user_id     BINARY(16)  NOT NULL,
    change_time DATETIME(6) NOT NULL,
    joined      TINYINT(1)  NOT NULL,
    PRIMARY KEY (group_id, user_id, change_time, joined)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
