-- What a service with creating calls needs: copy this into one of its migrations.

-- Answers that were given under a request id, for a day.
CREATE TABLE answered_call (
  user_id BINARY(16) NOT NULL,
  method VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_id BINARY(16) NOT NULL,
  request_hash BINARY(32) NOT NULL,
  answer MEDIUMBLOB NULL,
  create_time DATETIME(3) NOT NULL,
  PRIMARY KEY (user_id, method, request_id),
  KEY answered_call_time (create_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
