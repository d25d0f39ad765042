-- Requests that reach nobody, blocks, settings for single friends, and what goes with them.

ALTER TABLE friendship
    -- state: 1 none, 2 low asked, 3 high asked, 4 friends; 5 and 6 as 2 and 3, but declined; 7 and 8, but blocked
    ADD COLUMN changed       DATETIME(3) NOT NULL DEFAULT '1970-01-01',           -- anything here; grows with every change
    ADD COLUMN low_blocks    DATETIME(3) NULL,                                    -- since when low blocks high
    ADD COLUMN high_blocks   DATETIME(3) NULL,
    ADD COLUMN low_declined  DATETIME(3) NULL,                                    -- when a request of low was declined
    ADD COLUMN high_declined DATETIME(3) NULL,
    ADD COLUMN low_shows     TINYINT UNSIGNED NULL,                               -- what low shows high; NULL as everybody
    ADD COLUMN high_shows    TINYINT UNSIGNED NULL,
    ADD KEY friendship_low_blocks (low_id, low_blocks, high_id),
    ADD KEY friendship_high_blocks (high_id, high_blocks, low_id);

UPDATE friendship SET changed = since WHERE since IS NOT NULL;

ALTER TABLE user
    ADD COLUMN nickname_lower VARCHAR(40) NOT NULL DEFAULT '',                    -- what a search by its beginning finds
    ADD COLUMN changed     DATETIME(3) NOT NULL DEFAULT '1970-01-01',             -- anything told to others; grows
    ADD COLUMN zone_before VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the zone until zone_date begins
    ADD COLUMN zone_date   DATE NULL,                                             -- the first date that time_zone holds on
    ADD COLUMN daily_goal  MEDIUMINT UNSIGNED NULL,                               -- as the step service told it
    ADD COLUMN goal_shared TINYINT(1) NOT NULL DEFAULT 0,
    ADD COLUMN goal_time   DATETIME(3) NOT NULL DEFAULT '1970-01-01',             -- of the event that the goal is from
    ADD KEY user_nickname_lower (nickname_lower, user_id);

UPDATE user SET nickname_lower = LOWER(nickname), changed = create_time;

-- What counts against the limits of the last 24 hours. Older rows go with the next use.
ALTER TABLE sent_friend_request
    CHANGE COLUMN sent_time used_time DATETIME(3) NOT NULL,
    CHANGE COLUMN addressee_id about_id BINARY(16) NOT NULL,
    ADD COLUMN quota TINYINT UNSIGNED NOT NULL DEFAULT 1,                         -- 1 friend request, 2 cheer, 3 report
    DROP PRIMARY KEY,
    ADD PRIMARY KEY (user_id, quota, used_time, about_id);

RENAME TABLE sent_friend_request TO used_quota;

CREATE TABLE invite (
    code        CHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id     BINARY(16)  NOT NULL,                                             -- who made it
    expire_time DATETIME(3) NOT NULL,
    PRIMARY KEY (code),
    KEY invite_of_user (user_id, expire_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- For people to read.
CREATE TABLE user_report (
    report_id   BINARY(16)    NOT NULL,
    reporter_id BINARY(16)    NOT NULL,
    user_id     BINARY(16)    NOT NULL,
    reason      TINYINT UNSIGNED NOT NULL,
    text        VARCHAR(1000) NOT NULL,
    create_time DATETIME(3)   NOT NULL,
    PRIMARY KEY (report_id),
    KEY user_report_of_user (user_id, create_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Answers that were given under a request id, for a day. As `firewalker/runtime/repeats.sql` has it.
CREATE TABLE answered_call (
  user_id BINARY(16) NOT NULL,
  method VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_id BINARY(16) NOT NULL,
  request_hash BINARY(32) NOT NULL,
  answer MEDIUMBLOB NULL,
  create_time DATETIME(3) NOT NULL,
  PRIMARY KEY (user_id, method, request_id),
  KEY answered_call_time (create_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Events that were taken in. A repeat within 30 days changes nothing.
CREATE TABLE event_seen (
  event_id BINARY(16) NOT NULL,
  seen_time DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (event_id),
  KEY event_seen_time (seen_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
