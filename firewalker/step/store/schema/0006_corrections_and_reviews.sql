-- What owners have put right, and what people have said of days that nobody believes.

-- The ledger: entries are never changed. The last one of a device says what its counts are taken for since.
CREATE TABLE correction (
    user_id     BINARY(16)    NOT NULL,
    date        DATE          NOT NULL,
    -- Of the user's date, counted over all devices and reviews.
    revision    INT UNSIGNED  NOT NULL,
    device_id   VARBINARY(64) NOT NULL,
    -- 25 numbers of 4 bytes each: the hours and the whole date. What was walked as the owner says; up to where the
    -- device's counts are covered by that; what the device had counted.
    walked      BINARY(100)   NOT NULL,
    base        BINARY(100)   NOT NULL,
    counted     BINARY(100)   NOT NULL,
    reason      VARCHAR(200)  NOT NULL,
    create_time DATETIME(3)   NOT NULL,
    PRIMARY KEY (user_id, date, revision)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Days that were suspect once. The last word stands until a correction of a later revision.
CREATE TABLE day_review (
    user_id     BINARY(16)       NOT NULL,
    date        DATE             NOT NULL,
    -- 0 pending, 1 approved, 2 refused.
    verdict     TINYINT UNSIGNED NOT NULL DEFAULT 0,
    revision    INT UNSIGNED     NOT NULL DEFAULT 0,
    notice_time DATETIME(3)      NOT NULL,
    reviewer    VARCHAR(64)      NOT NULL DEFAULT '',
    review_time DATETIME(3)      NULL,
    PRIMARY KEY (user_id, date),
    KEY day_review_by_verdict (verdict, notice_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
