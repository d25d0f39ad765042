-- Sessions that have ended lately: what they registered in the very moment must not stay. Kept for as long as their access
-- tokens may live.
CREATE TABLE ended_session (
    user_id    BINARY(16)  NOT NULL,
    session_id BINARY(16)  NOT NULL,
    end_time   DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, session_id),
    KEY ended_session_end_time (end_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
