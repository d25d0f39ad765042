-- The inbox. One row per user and thing that happened; the event's id is the notification's, so that an event
-- delivered twice is one row.
CREATE TABLE notification (
    user_id         BINARY(16)   NOT NULL,
    notification_id BINARY(16)   NOT NULL,
    type            VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    params          JSON         NOT NULL,
    create_time     DATETIME(3)  NOT NULL,
    read_time       DATETIME(3)  NULL,
    PRIMARY KEY (user_id, notification_id),
    KEY notification_unread (user_id, read_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
