-- How far the service has read the processor's list of events, in a single row. Reading it finds the changes whose webhooks
-- were lost, or all of them if there are no webhooks.
-- last_event_id: the processor's id of the last event that need not be read again. due_at: when a replica reads the list
-- next, in UTC. claimed_by: the round that reads it.
CREATE TABLE IF NOT EXISTS processor_polls (
    poll_id TINYINT NOT NULL PRIMARY KEY,
    last_event_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    due_at DATETIME(6) NOT NULL,
    claimed_by CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL
) ENGINE = InnoDB;
