-- The stream is empty.
INSERT INTO payment_stream (stream_id, last_sequence) VALUES (1, 0);
