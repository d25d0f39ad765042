-- When the owner of the account showed that the address is theirs; NULL until then.
ALTER TABLE account ADD COLUMN email_verify_time DATETIME(3) NULL;

-- Mails, from the change that they belong to until some days after they were sent. Texts are made when they are sent.
CREATE TABLE mail (
    mail_id     BINARY(16)   NOT NULL,                                          -- UUIDv7
    kind        TINYINT UNSIGNED NOT NULL,                                      -- as domain.mail.MailKind
    user_id     BINARY(16)   NULL,                                              -- NULL: whoever has the address when it is sent
    email       VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    email_key   VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    create_time DATETIME(3)  NOT NULL,
    due_time    DATETIME(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP(3),             -- also the end of a lease
    attempts    SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    end_time    DATETIME(3)  NULL,                                              -- nothing more is done with it
    outcome     VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    PRIMARY KEY (mail_id),
    KEY mail_next (end_time, due_time),
    KEY mail_of_address (email_key, kind, end_time),
    KEY mail_of_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What a token in a mail is good for. Holds no secret: tokens are derived from a key that is no part of the database.
CREATE TABLE mail_token (
    token_id    BINARY(16)   NOT NULL,                                          -- the mail's id
    user_id     BINARY(16)   NOT NULL,
    kind        TINYINT UNSIGNED NOT NULL,                                      -- as domain.mail.MailKind
    email       VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,    -- where it was sent to
    expire_time DATETIME(3)  NOT NULL,
    use_time    DATETIME(3)  NULL,
    PRIMARY KEY (token_id),
    KEY mail_token_of_user (user_id),
    KEY mail_token_expired (expire_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
