-- The processor's list of events has not been read yet, and is due.
INSERT INTO processor_polls (poll_id, due_at) VALUES (1, '2000-01-01');
