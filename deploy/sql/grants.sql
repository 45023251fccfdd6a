-- Grants the service only the privileges that its statements need (server/storage), and the archiver those for the archive.
-- Run it as the database administrator, in the payments database, after each `payments migrate`, when the tables are up to
-- date:
--
--   mysql --user=root --password ecommerce < deploy/sql/grants.sql
--
-- It can be run again. If a privilege is missing, the service reports it at startup, and does not serve.
--
-- payments_service is for `payments serve`, `export`, `history`, `doctor` and `keys list`. It deletes only outbox rows, once
-- their events are in the stream, and processor requests, once their outcomes are stored. It cannot create or alter a table,
-- choose the id of a payment, or change an event. Of a refund, it can change only the outcome.
--
-- TiDB ignores privileges on columns, so it needs those on the whole table, which other databases read as a comment. Its
-- clients must be told to keep comments: mysql --comments.
GRANT SELECT ON schema_migrations TO payments_service;

-- A refund updates refunded_amount and refunded. The outcome of a pending charge, what its payer must do before that, and a
-- dispute update the other columns.
GRANT
    SELECT,
    INSERT (
        order_id, amount, currency, method, status, reference, created_at, requested_method, caller, request_id,
        external_reference, customer_id, labels, failure, failure_code, simulated_source, source_mark
    ),
    UPDATE (
        status, refunded_amount, refunded, failure, failure_code, processor_reference, next_action, dispute_status, dispute
    )
    /*T! , INSERT, UPDATE */
    ON payments TO payments_service;

GRANT
    SELECT,
    INSERT (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at),
    UPDATE (status, failure, failure_code, processor_reference)
    /*T! , INSERT, UPDATE */
    ON refunds TO payments_service;

-- A charge with unless_pending holds a row until the end of its transaction. The UPDATE is that of ON DUPLICATE KEY.
GRANT SELECT, INSERT, UPDATE, DELETE ON order_locks TO payments_service;

-- With a remote processor, each request is written before it is sent, and deleted when its outcome is stored.
GRANT
    SELECT,
    INSERT (kind, payment_id, refund_id, due_at),
    UPDATE (claimed_by, attempts, due_at),
    DELETE
    /*T! , INSERT, UPDATE */
    ON processor_requests TO payments_service;
GRANT SELECT, INSERT (payment_id, processor_id) /*T! , INSERT */ ON processor_payments TO payments_service;

-- A payment that may have changed at the processor is checked, and what has changed is recorded.
GRANT SELECT, INSERT, UPDATE, DELETE ON processor_checks TO payments_service;
GRANT SELECT, INSERT (kind, payment_id, refund_id, found_at) /*T! , INSERT */ ON late_outcomes TO payments_service;
GRANT SELECT, UPDATE (last_event_id, due_at, claimed_by) /*T! , UPDATE */ ON processor_polls TO payments_service;

-- The relay that holds the lease of the stream moves rows from the outbox to the events. Events are added and never changed.
GRANT SELECT, INSERT (changes), DELETE /*T! , INSERT */ ON payment_outbox TO payments_service;
GRANT
    SELECT,
    INSERT (sequence, payment_id, refund_id, kind, refunded_amount, occurred_at)
    /*T! , INSERT */
    ON payment_events TO payments_service;
GRANT SELECT, UPDATE (last_sequence, lease_number, leased_until) /*T! , UPDATE */ ON payment_stream TO payments_service;

-- The migrator's account creates and revokes keys.
GRANT SELECT ON api_keys TO payments_service;

-- The service reads archived rows, and never changes them.
GRANT SELECT ON payments_archive TO payments_service;
GRANT SELECT ON refunds_archive TO payments_service;
GRANT SELECT ON payment_events_archive TO payments_service;

-- payments_archiver is for `payments archive` and `unarchive`, which move rows between the live tables and the archive, and
-- for `payments forget`, which erases a customer. It is the only account that can delete payments.
GRANT SELECT ON schema_migrations TO payments_archiver;
GRANT SELECT, INSERT, UPDATE ON maintenance_locks TO payments_archiver;
GRANT SELECT, INSERT (changes) /*T! , INSERT */ ON payment_outbox TO payments_archiver;
GRANT
    SELECT,
    INSERT,
    UPDATE (customer_id, labels, forgotten_at),
    DELETE
    /*T! , UPDATE */
    ON payments TO payments_archiver;
GRANT SELECT, INSERT, DELETE ON refunds TO payments_archiver;
GRANT SELECT ON processor_checks TO payments_archiver;
GRANT SELECT, DELETE ON payment_events TO payments_archiver;
GRANT
    SELECT,
    INSERT,
    UPDATE (customer_id, labels, forgotten_at),
    DELETE
    /*T! , UPDATE */
    ON payments_archive TO payments_archiver;
GRANT SELECT, INSERT, DELETE ON refunds_archive TO payments_archiver;
GRANT SELECT, INSERT ON payment_events_archive TO payments_archiver;
