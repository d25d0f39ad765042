-- What other services have told this one: who the walkers are and who is friends with whom. Rebuilt from their events.

CREATE TABLE walker (
    user_id      BINARY(16)   NOT NULL,
    nickname     VARCHAR(64)  NOT NULL,
    avatar_url   VARCHAR(512) NOT NULL,
    -- Of the event that the profile is from: an older one changes nothing.
    profile_time DATETIME(3)  NOT NULL,
    -- IANA name; NULL until told.
    time_zone    VARCHAR(64)  CHARACTER SET ascii NULL,
    -- Of the event that the zone is from: not every event tells one.
    zone_time    DATETIME(3)  NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE friend (
    user_id    BINARY(16)  NOT NULL,
    -- Both directions have a row, so that one range of the primary key is a friend set.
    friend_id  BINARY(16)  NOT NULL,
    since_time DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, friend_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Events that were taken in. A repeat within 30 days changes nothing.
CREATE TABLE event_seen (
    event_id BINARY(16) NOT NULL,
    seen_time DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (event_id),
    KEY event_seen_time (seen_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
