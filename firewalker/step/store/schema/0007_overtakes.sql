-- What keeps news of overtakes rare. All of it may be lost, and is removed when it decides nothing any more.

-- When two walkers last made news of each other. Of the first place: twice the same one.
CREATE TABLE overtake (
    low_id    BINARY(16)  NOT NULL,
    high_id   BINARY(16)  NOT NULL,
    told_time DATETIME(3) NOT NULL,
    PRIMARY KEY (low_id, high_id),
    KEY overtake_by_time (told_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- How much news somebody got of a date.
CREATE TABLE overtake_told (
    date    DATE             NOT NULL,
    user_id BINARY(16)       NOT NULL,
    told    TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (date, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
