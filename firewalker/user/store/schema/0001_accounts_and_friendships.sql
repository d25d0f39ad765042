-- The sign-in side of a user. Addresses are ASCII; two are the same when their keys are.
CREATE TABLE account (
    user_id       BINARY(16)   NOT NULL,
    email         VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    email_key     VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  -- PHC string, argon2id
    state         TINYINT UNSIGNED NOT NULL,                                    -- 1 active, 2 disabled
    PRIMARY KEY (user_id),
    UNIQUE KEY account_email (email_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The person. Nicknames that look alike have the same key.
CREATE TABLE user (
    user_id      BINARY(16)   NOT NULL,
    nickname     VARCHAR(20)  NOT NULL,
    nickname_key VARCHAR(40)  NOT NULL,
    avatar_url   VARCHAR(512) NOT NULL,
    time_zone    VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,   -- IANA name
    visibility   TINYINT UNSIGNED NOT NULL,                                     -- 1 friends, 2 rounded, 3 rank only, 4 hidden
    create_time  DATETIME(3)  NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE KEY user_nickname (nickname_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One sign-in on one device. Holds no secret: generation, key and hash are those of its newest refresh token.
CREATE TABLE session (
    session_id      BINARY(16)  NOT NULL,
    user_id         BINARY(16)  NOT NULL,
    generation      INT UNSIGNED NOT NULL,
    key_id          BINARY(4)   NOT NULL,
    secret_hash     BINARY(32)  NOT NULL,                                       -- SHA-256
    installation_id VARCHAR(64) NOT NULL,
    device_name     VARCHAR(64) NOT NULL,
    create_time     DATETIME(3) NOT NULL,
    last_used_time  DATETIME(3) NOT NULL,
    end_time        DATETIME(3) NULL,                                           -- ended on purpose; NULL is not "alive"
    end_reason      TINYINT UNSIGNED NULL,                                      -- 1 logout, 2 reuse, 3 too many
    PRIMARY KEY (session_id),
    KEY session_of_user (user_id, end_time, last_used_time),
    KEY session_ended (end_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What stands between two users: one row per pair, the lower id first, whoever asked.
CREATE TABLE friendship (
    low_id  BINARY(16)  NOT NULL,
    high_id BINARY(16)  NOT NULL,
    state   TINYINT UNSIGNED NOT NULL,                                          -- 1 none, 2 low asked, 3 high asked, 4 friends
    since   DATETIME(3) NULL,                                                   -- when the state began; NULL for none
    PRIMARY KEY (low_id, high_id),
    KEY friendship_of_low (low_id, state, since, high_id),
    KEY friendship_of_high (high_id, state, since, low_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- How much of each limit a user has used. Changed only under its own lock, in the transaction of the friendship's change.
CREATE TABLE friend_count (
    user_id  BINARY(16) NOT NULL,
    friends  SMALLINT UNSIGNED NOT NULL,
    outgoing SMALLINT UNSIGNED NOT NULL,
    incoming SMALLINT UNSIGNED NOT NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The requests of the last 24 hours, for the daily limit. Older rows go with the next request.
CREATE TABLE sent_friend_request (
    user_id      BINARY(16)  NOT NULL,
    sent_time    DATETIME(3) NOT NULL,
    addressee_id BINARY(16)  NOT NULL,
    PRIMARY KEY (user_id, sent_time, addressee_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Facts that still have to reach a destination, one row per fact and destination. A row is gone once it was delivered.
-- As `firewalker/runtime/outbox/schema.sql` has it; its statements are there.
CREATE TABLE outbox (
  position BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  destination VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_id BINARY(16) NOT NULL,
  kind VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  create_time DATETIME(3) NOT NULL,
  due_time DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  attempts INT UNSIGNED NOT NULL DEFAULT 0,
  set_aside TINYINT(1) NOT NULL DEFAULT 0,
  last_error VARCHAR(200) CHARACTER SET ascii NOT NULL DEFAULT '',
  PRIMARY KEY (position),
  UNIQUE KEY outbox_event (destination, event_id),
  KEY outbox_next (destination, set_aside, position)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Who delivers to a destination at the moment: one process at a time, so that facts arrive in order.
CREATE TABLE outbox_lane (
  destination VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner BINARY(16) NULL,
  lease_until DATETIME(3) NULL,
  PRIMARY KEY (destination)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
