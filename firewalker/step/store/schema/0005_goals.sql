-- How many steps a day walkers want, and which goals were reached.

-- One row per stretch of dates with one goal: past dates keep theirs.
CREATE TABLE goal (
    user_id     BINARY(16)         NOT NULL,
    first_date  DATE               NOT NULL,
    -- The first date for which it does not count any more; 9999-12-31 for the present goal.
    end_date    DATE               NOT NULL,
    daily_steps MEDIUMINT UNSIGNED NOT NULL,
    PRIMARY KEY (user_id, first_date)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- One row per walker who ever set a goal: the lock of the stretches above, and what holds for all of them.
CREATE TABLE goal_owner (
    user_id BINARY(16) NOT NULL,
    shared  TINYINT(1) NOT NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Whose goal of a date was told of as reached: once, whatever is repeated. Rows go when the date is over everywhere,
-- from the front of the table.
CREATE TABLE goal_reached (
    date    DATE       NOT NULL,
    user_id BINARY(16) NOT NULL,
    PRIMARY KEY (date, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
