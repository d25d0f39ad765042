-- What a service that receives events needs: copy this into its first migration.

-- Events that were taken in. A repeat within 30 days changes nothing.
CREATE TABLE event_seen (
  event_id BINARY(16) NOT NULL,
  seen_time DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (event_id),
  KEY event_seen_time (seen_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
