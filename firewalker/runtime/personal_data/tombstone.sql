-- Who was deleted, and when everything of them was erased; NULL until then. Kept for ever: late arrivals and old backups must
-- not bring anybody back.
CREATE TABLE tombstone (
    user_id     BINARY(16)  NOT NULL,
    delete_time DATETIME(3) NOT NULL,
    erase_time  DATETIME(3) NULL,
    PRIMARY KEY (user_id),
    KEY tombstone_open (erase_time, delete_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
