-- Who was deleted, and when everything of them was erased; NULL until then. As
-- `firewalker/runtime/personal_data/tombstone.sql` has it; its statements are there.
CREATE TABLE tombstone (
    user_id     BINARY(16)  NOT NULL,
    delete_time DATETIME(3) NOT NULL,
    erase_time  DATETIME(3) NULL,
    PRIMARY KEY (user_id),
    KEY tombstone_open (erase_time, delete_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- An erasure finds the rows of one user.
ALTER TABLE block ADD KEY block_of_blocked (blocked_id);
ALTER TABLE overtake ADD KEY overtake_of_high (high_id);
ALTER TABLE overtake_told ADD KEY overtake_told_of_user (user_id);
ALTER TABLE goal_reached ADD KEY goal_reached_of_user (user_id, date);
ALTER TABLE group_change ADD KEY group_change_of_user (user_id);
