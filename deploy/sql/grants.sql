-- What the service may do: no more than its statements need (server/storage/payments/queries.py). As the database's
-- administrator, in the database of the payments, once the tables are up to date, after each `payments migrate`:
--
--   mysql --user=root --password ecommerce < deploy/sql/grants.sql
--
-- It may be repeated. The service says at its start what is missing, and does not serve without it.
--
-- payments_service is for `payments serve`, `export`, `history`, `doctor` and `keys list`. It deletes nothing but what the
-- outbox has told the stream and what a processor has answered, makes and alters no table, gives no payment an id of its
-- choice, and changes no event that is there, nor anything of a refund but its status.
GRANT SELECT ON schema_migrations TO payments_service;

-- A refund changes the last two columns alone. The others are here for MariaDB, to which an INSERT with ON DUPLICATE KEY
-- UPDATE, of which a batch of charges is one, updates every column that it names.
GRANT
    SELECT,
    INSERT (order_id, amount, currency, method, status, reference, created_at, requested_method, caller, request_id),
    UPDATE (order_id, amount, currency, method, status, reference, created_at, requested_method, caller, request_id,
        refunded_amount, refunded)
    ON payments TO payments_service;

GRANT
    SELECT,
    INSERT (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at),
    UPDATE (status)
    ON refunds TO payments_service;

-- With a remote processor, what it is asked is written before, and deleted with its outcome.
GRANT
    SELECT,
    INSERT (kind, payment_id, refund_id, due_at),
    UPDATE (claimed_by, attempts, due_at),
    DELETE
    ON processor_requests TO payments_service;
GRANT SELECT, INSERT (payment_id, processor_id) ON processor_payments TO payments_service;

-- The relay empties the outbox into the events. Events are added and never changed.
GRANT SELECT, INSERT (changes), DELETE ON payment_outbox TO payments_service;
GRANT
    SELECT,
    INSERT (sequence, payment_id, refund_id, kind, refunded_amount, occurred_at)
    ON payment_events TO payments_service;
GRANT SELECT, UPDATE (last_sequence) ON payment_stream TO payments_service;

-- Keys are made and revoked with the migrator's account.
GRANT SELECT ON api_keys TO payments_service;

-- What was archived is read, and never changed by the service.
GRANT SELECT ON payments_archive TO payments_service;
GRANT SELECT ON refunds_archive TO payments_service;
GRANT SELECT ON payment_events_archive TO payments_service;

-- payments_archiver is for `payments archive` and `unarchive`: it moves rows between the live tables and the archive's, and
-- alone can delete payments.
GRANT SELECT ON schema_migrations TO payments_archiver;
GRANT SELECT ON payment_outbox TO payments_archiver;
GRANT SELECT, INSERT, DELETE ON payments TO payments_archiver;
GRANT SELECT, INSERT, DELETE ON refunds TO payments_archiver;
GRANT SELECT, DELETE ON payment_events TO payments_archiver;
GRANT SELECT, INSERT, DELETE ON payments_archive TO payments_archiver;
GRANT SELECT, INSERT, DELETE ON refunds_archive TO payments_archiver;
GRANT SELECT, INSERT ON payment_events_archive TO payments_archiver;
