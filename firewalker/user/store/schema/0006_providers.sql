-- Who signs in with a provider needs neither an address nor a password.
ALTER TABLE account
    MODIFY email         VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NULL,
    MODIFY email_key     VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NULL,
    MODIFY password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL;

-- Identities at providers, by what the provider calls them; an address never identifies anybody.
CREATE TABLE provider_login (
    provider    TINYINT UNSIGNED NOT NULL,                                      -- as domain.provider.Provider
    subject     VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id     BINARY(16)   NOT NULL,
    email       VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,    -- as the provider has confirmed it; or empty
    create_time DATETIME(3)  NOT NULL,
    PRIMARY KEY (provider, subject),
    UNIQUE KEY provider_login_of_user (user_id, provider)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
