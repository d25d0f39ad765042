-- Groups, who belongs to them and when, and who wants to or must not.

CREATE TABLE user_group (
    group_id     BINARY(16)   NOT NULL,
    name         VARCHAR(40)  NOT NULL,
    description  VARCHAR(500) NOT NULL,
    owner_id     BINARY(16)   NOT NULL,
    join_policy  TINYINT UNSIGNED NOT NULL,                                       -- 1 open, 2 code, 3 request
    max_members  SMALLINT UNSIGNED NOT NULL,
    member_count SMALLINT UNSIGNED NOT NULL,                                      -- changed only under the row's lock
    changed      DATETIME(3)  NOT NULL,                                           -- anything told to others; grows
    PRIMARY KEY (group_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Intervals of membership: at most one of a user and group has no end. They stay when the group is gone, because what was
-- walked in them has been counted. Changed only under the lock of the group's row.
CREATE TABLE group_membership (
    group_id   BINARY(16)  NOT NULL,
    user_id    BINARY(16)  NOT NULL,
    join_time  DATETIME(3) NOT NULL,
    leave_time DATETIME(3) NULL,
    role       TINYINT UNSIGNED NOT NULL,                                         -- 1 owner, 2 admin, 3 member
    PRIMARY KEY (group_id, user_id, join_time),
    KEY group_membership_of_group (group_id, leave_time, join_time, user_id),
    KEY group_membership_of_user (user_id, leave_time, join_time, group_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE group_ban (
    group_id    BINARY(16)  NOT NULL,
    user_id     BINARY(16)  NOT NULL,
    create_time DATETIME(3) NOT NULL,
    PRIMARY KEY (group_id, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE group_join_request (
    group_id    BINARY(16)  NOT NULL,
    user_id     BINARY(16)  NOT NULL,
    create_time DATETIME(3) NOT NULL,
    PRIMARY KEY (group_id, user_id),
    KEY group_join_request_time (group_id, create_time, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE group_invite (
    code        CHAR(16)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    group_id    BINARY(16)  NOT NULL,
    user_id     BINARY(16)  NOT NULL,                                             -- who made it
    expire_time DATETIME(3) NOT NULL,
    PRIMARY KEY (code),
    KEY group_invite_of_group (group_id, expire_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
