-- Reports that people have dealt with, and which operator said so.
ALTER TABLE user_report
    ADD COLUMN close_time DATETIME(3) NULL,                                       -- NULL: open
    ADD COLUMN closed_by  VARCHAR(64) NULL,
    ADD KEY user_report_open (close_time, user_id);

-- What operators have decided of accounts. Nothing here changes: the last one is what `account.state` says.
CREATE TABLE account_decision (
    user_id     BINARY(16)  NOT NULL,
    decide_time DATETIME(3) NOT NULL,
    state       TINYINT UNSIGNED NOT NULL,                                        -- as in account: 1 active, 2 disabled
    operator    VARCHAR(64) NOT NULL,
    PRIMARY KEY (user_id, decide_time, state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
