-- Creates the database accounts of a deployment, and grants the privileges of the tools' accounts. Run it as the database
-- administrator, in the payments database, before the first `payments migrate` (docs/operations/database-accounts.md has
-- all steps in order):
--
--   mysql --user=root --password ecommerce < deploy/sql/accounts.sql
--
-- All accounts are created locked and without a password, so nobody can use them until the administrator sets one.
-- Existing accounts are left unchanged, so the script can be run again.
CREATE USER IF NOT EXISTS payments_migrator ACCOUNT LOCK;
CREATE USER IF NOT EXISTS payments_service ACCOUNT LOCK;
CREATE USER IF NOT EXISTS payments_backup ACCOUNT LOCK;
CREATE USER IF NOT EXISTS payments_archiver ACCOUNT LOCK;

-- payments_migrator is for people and Jobs: `payments migrate`, `import`, `sample` and `keys`. It can create and alter tables
-- and write rows. It cannot delete a payment, grant a privilege, or drop other tables than those below. `*` is the current
-- database.
GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX, REFERENCES ON * TO payments_migrator;

-- The migrator deletes the record of a migration that the database rejected. (CREATE allows this grant on a table that does
-- not exist yet.)
GRANT CREATE, DELETE ON schema_migrations TO payments_migrator;

-- To alter a large table while it is written to, the migrator copies it: triggers repeat each change in the copy, and then
-- the copy and the table exchange their names, which the database allows only to accounts that may drop the table.
GRANT CREATE, DROP, TRIGGER ON payments TO payments_migrator;
GRANT CREATE, DROP, DELETE ON migration_new_payments TO payments_migrator;
GRANT CREATE, DROP ON migration_old_payments TO payments_migrator;
GRANT CREATE, DROP, TRIGGER ON refunds TO payments_migrator;
GRANT CREATE, DROP, DELETE ON migration_new_refunds TO payments_migrator;
GRANT CREATE, DROP ON migration_old_refunds TO payments_migrator;
GRANT CREATE, DROP, TRIGGER ON payment_events TO payments_migrator;
GRANT CREATE, DROP, DELETE ON migration_new_payment_events TO payments_migrator;
GRANT CREATE, DROP ON migration_old_payment_events TO payments_migrator;
GRANT CREATE, DROP, TRIGGER ON payments_archive TO payments_migrator;
GRANT CREATE, DROP, DELETE ON migration_new_payments_archive TO payments_migrator;
GRANT CREATE, DROP ON migration_old_payments_archive TO payments_migrator;
GRANT CREATE, DROP, TRIGGER ON refunds_archive TO payments_migrator;
GRANT CREATE, DROP, DELETE ON migration_new_refunds_archive TO payments_migrator;
GRANT CREATE, DROP ON migration_old_refunds_archive TO payments_migrator;
GRANT CREATE, DROP, TRIGGER ON payment_events_archive TO payments_migrator;
GRANT CREATE, DROP, DELETE ON migration_new_payment_events_archive TO payments_migrator;
GRANT CREATE, DROP ON migration_old_payment_events_archive TO payments_migrator;
GRANT CREATE, DROP, DELETE ON migration_constraints TO payments_migrator;

-- payments_backup is for `payments backup`: it can read everything, including the digests of API keys, and change nothing.
GRANT SELECT, SHOW VIEW ON * TO payments_backup;
