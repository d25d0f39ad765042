-- Boards that stand for good. One row per walker and date, with all of it in one value: it is only ever read whole.
CREATE TABLE frozen_board (
    user_id BINARY(16) NOT NULL,
    date    DATE       NOT NULL,
    -- 24 bytes a row of the board, best first: user (16), rank (2), steps (4), state (1), goal reached (1).
    entries MEDIUMBLOB NOT NULL,
    PRIMARY KEY (user_id, date)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- How far freezing has come. Whoever works on a date locks its row; what is frozen and how far it has come commit together.
CREATE TABLE settling (
    date     DATE             NOT NULL,
    round    TINYINT UNSIGNED NOT NULL DEFAULT 0,
    -- The last walker of the round who was looked at.
    after_id VARBINARY(16)    NOT NULL DEFAULT '',
    PRIMARY KEY (date)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
