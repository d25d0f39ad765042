-- Who was deleted, and when everything of them was erased; NULL until then. As
-- `firewalker/runtime/personal_data/tombstone.sql` has it; its statements are there.
CREATE TABLE tombstone (
    user_id     BINARY(16)  NOT NULL,
    delete_time DATETIME(3) NOT NULL,
    erase_time  DATETIME(3) NULL,
    PRIMARY KEY (user_id),
    KEY tombstone_open (erase_time, delete_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
