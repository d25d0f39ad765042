-- What each device counted on each date. One row per user, date and device: an upsert touches one row per burst, and a
-- user's day lies together. A second row (late = 1) holds what came after the owner's day was FINAL: it belongs to the
-- owner's history and never to standings.
CREATE TABLE day_device (
    user_id BINARY(16) NOT NULL,
    date DATE NOT NULL,
    device_id VARBINARY(64) NOT NULL,
    late TINYINT(1) NOT NULL DEFAULT 0,
    -- Steps counted so far in that local hour; only ever raised.
    h00 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h01 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h02 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    h03 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h04 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h05 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    h06 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h07 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h08 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    h09 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h10 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h11 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    h12 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h13 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h14 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    h15 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h16 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h17 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    h18 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h19 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h20 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    h21 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h22 SMALLINT UNSIGNED NOT NULL DEFAULT 0, h23 SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    -- Steps counted so far in that date, for devices that know no hours.
    whole_day MEDIUMINT UNSIGNED NOT NULL DEFAULT 0,
    source TINYINT UNSIGNED NOT NULL,
    revision INT UNSIGNED NOT NULL DEFAULT 0,
    last_reading_time DATETIME(3) NOT NULL,
    -- When the user's total of the date last rose by this device; 1970 if it never did. The latest of a date's devices is
    -- the tie-break of standings: a device that counts less than another does not move it.
    reached_time DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, date, device_id, late),
    -- Rebuilding Redis walks the users of a date.
    KEY day_device_by_date (date, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
