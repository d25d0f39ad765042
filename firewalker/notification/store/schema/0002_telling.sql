-- Who is told what, how, and on which devices; what waits to be pushed, and what is under way.

-- As `firewalker/runtime/inbox.sql` has it; its statements are there.
CREATE TABLE event_seen (
  event_id BINARY(16) NOT NULL,
  seen_time DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (event_id),
  KEY event_seen_time (seen_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What is known of a user here. The row is locked by whoever puts something into the user's inbox, so `revision` grows by
-- one with every change of the inbox in the order of the commits.
CREATE TABLE recipient (
    user_id        BINARY(16)   NOT NULL,
    revision       BIGINT       NOT NULL DEFAULT 0,
    time_zone      VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'UTC',
    time_zone_time DATETIME(3)  NULL,
    quiet_start    SMALLINT     NOT NULL DEFAULT 1320,
    quiet_end      SMALLINT     NOT NULL DEFAULT 480,
    locale         VARCHAR(2)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    device_locale  VARCHAR(2)   CHARACTER SET ascii COLLATE ascii_bin NULL,
    channels       VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '{}',
    erase_time     DATETIME(3)  NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The inbox learns whom a notification is about, what makes two of them one, and in which order they came.
ALTER TABLE notification
    ADD COLUMN actor_id   BINARY(16)   NULL,
    ADD COLUMN dedupe_key VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN revision   BIGINT       NOT NULL DEFAULT 0,
    ADD UNIQUE KEY notification_dedupe (user_id, dedupe_key),
    ADD KEY notification_revision (user_id, revision),
    ADD KEY notification_actor (actor_id),
    ADD KEY notification_create_time (create_time);

-- The installations that are pushed to. `generation` is new with every registration: who prunes names the one it means.
CREATE TABLE device (
    installation_id   VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    user_id           BINARY(16)   NOT NULL,
    session_id        BINARY(16)   NOT NULL,
    platform          VARCHAR(8)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    target            VARCHAR(8)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    registration      TEXT         CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    registration_hash BINARY(32)   NOT NULL,
    generation        BINARY(16)   NOT NULL,
    app_version       VARCHAR(32)  NOT NULL,
    locale            VARCHAR(35)  NOT NULL,
    register_time     DATETIME(3)  NOT NULL,
    last_seen_time    DATETIME(3)  NOT NULL,
    last_success_time DATETIME(3)  NULL,
    PRIMARY KEY (installation_id),
    UNIQUE KEY device_registration (registration_hash),
    KEY device_user (user_id, last_seen_time),
    KEY device_session (session_id),
    KEY device_last_seen (last_seen_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Registrations that were removed because FCM said so, for the stop against removing too many.
CREATE TABLE prune (
    prune_id   BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    prune_time DATETIME(3)     NOT NULL,
    PRIMARY KEY (prune_id),
    KEY prune_time (prune_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Notifications that are to be pushed, or were: per user, before it is decided when, with which others, and to which
-- devices. WAITING ones are claimed with a lease when they are due; the others are kept for caps and against repeats.
CREATE TABLE push (
    user_id         BINARY(16)   NOT NULL,
    notification_id BINARY(16)   NOT NULL,
    type            VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    lane            TINYINT      NOT NULL,
    actor_id        BINARY(16)   NULL,
    params          JSON         NOT NULL,
    fold_key        VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    dedupe_key      VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NULL,
    state           VARCHAR(8)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'WAITING',
    outcome         VARCHAR(24)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    create_time     DATETIME(3)  NOT NULL,
    due_time        DATETIME(3)  NOT NULL,
    expire_time     DATETIME(3)  NOT NULL,
    push_time       DATETIME(3)  NULL,
    asked           SMALLINT     NOT NULL DEFAULT 0,
    lease_owner     BINARY(16)   NULL,
    lease_until     DATETIME(3)  NULL,
    PRIMARY KEY (user_id, notification_id),
    UNIQUE KEY push_dedupe (user_id, dedupe_key),
    KEY push_due (state, lane, due_time),
    KEY push_fold (user_id, fold_key, state),
    KEY push_actor (actor_id),
    KEY push_create_time (create_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- One message to one installation, from the decision until FCM has taken it: then the row is gone. DEAD ones are kept for
-- people to look at for 14 days.
CREATE TABLE delivery (
    delivery_id     BINARY(16)   NOT NULL,
    user_id         BINARY(16)   NOT NULL,
    notification_id BINARY(16)   NOT NULL,
    installation_id VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    platform        VARCHAR(8)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type            VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    lane            TINYINT      NOT NULL,
    actor_id        BINARY(16)   NULL,
    params          JSON         NOT NULL,
    fold_key        VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    content         JSON         NOT NULL,
    state           VARCHAR(8)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'QUEUED',
    attempts        SMALLINT     NOT NULL DEFAULT 0,
    claims          SMALLINT     NOT NULL DEFAULT 0,
    check_time      DATETIME(3)  NOT NULL,
    due_time        DATETIME(3)  NOT NULL,
    expire_time     DATETIME(3)  NOT NULL,
    create_time     DATETIME(3)  NOT NULL,
    lease_owner     BINARY(16)   NULL,
    lease_until     DATETIME(3)  NULL,
    last_error      VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    PRIMARY KEY (delivery_id),
    KEY delivery_due (state, lane, due_time),
    KEY delivery_user (user_id, fold_key),
    KEY delivery_actor (actor_id),
    KEY delivery_device (installation_id),
    KEY delivery_dead (state, create_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
