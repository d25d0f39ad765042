-- Friendships that end, settings of who sees how much, blocks, and zones by date. Whatever the order in which the facts
-- arrive, the latest stands: each is kept with the time of the event that it is from, ends included.

ALTER TABLE friend
    -- Of the event that began or ended the friendship.
    ADD COLUMN told_time DATETIME(3) NOT NULL DEFAULT '1970-01-01',
    ADD COLUMN ended TINYINT(1) NOT NULL DEFAULT 0,
    -- What user_id shows friend_id, and is shown: 0 all, 1 rounded, 2 rank only, 3 nothing, NULL as everybody. It holds
    -- for the friendship it was set in: one from before since_time does not count.
    ADD COLUMN shows TINYINT UNSIGNED NULL,
    ADD COLUMN shows_time DATETIME(3) NOT NULL DEFAULT '1970-01-01',
    ADD COLUMN is_shown TINYINT UNSIGNED NULL,
    ADD COLUMN is_shown_time DATETIME(3) NOT NULL DEFAULT '1970-01-01';

UPDATE friend SET told_time = since_time;

ALTER TABLE walker
    -- What everybody without a setting of their own is shown, as above.
    ADD COLUMN shows TINYINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN shows_time DATETIME(3) NOT NULL DEFAULT '1970-01-01';

CREATE TABLE block (
    blocker_id BINARY(16)  NOT NULL,
    blocked_id BINARY(16)  NOT NULL,
    -- Of the event that set or lifted it.
    told_time  DATETIME(3) NOT NULL,
    lifted     TINYINT(1)  NOT NULL,
    PRIMARY KEY (blocker_id, blocked_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Later zones of walkers; before the first of them the one in walker holds.
CREATE TABLE walker_zone (
    user_id    BINARY(16)  NOT NULL,
    -- The first date that begins and ends in the zone.
    first_date DATE        NOT NULL,
    time_zone  VARCHAR(64) CHARACTER SET ascii NOT NULL,
    told_time  DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, first_date)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
