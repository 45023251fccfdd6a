-- The accounts of a deployment, and what those that do not serve may do. As the database's administrator, in the
-- database of the payments, before the first `payments migrate` (docs/operations/database-accounts.md has the whole order):
--
--   mysql --user=root --password ecommerce < deploy/sql/accounts.sql
--
-- All are made locked and without a password: nobody can use them until the administrator gives them one. What is
-- there already stays as it is, so that this may be repeated.
CREATE USER IF NOT EXISTS payments_migrator ACCOUNT LOCK;
CREATE USER IF NOT EXISTS payments_service ACCOUNT LOCK;
CREATE USER IF NOT EXISTS payments_backup ACCOUNT LOCK;
CREATE USER IF NOT EXISTS payments_archiver ACCOUNT LOCK;

-- payments_migrator is for people and Jobs: `payments migrate`, `import`, `sample` and `keys`. It makes and alters tables, and
-- writes rows; it drops no table, deletes no payment, and can give nobody anything. The database is the current one.
GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX, REFERENCES ON * TO payments_migrator;

-- The record of a migration that the database refused is taken away again. (CREATE lets this name a table that is not
-- there yet.)
GRANT CREATE, DELETE ON schema_migrations TO payments_migrator;

-- payments_backup is for `payments backup`: it reads everything, digests of API keys too, and changes nothing.
GRANT SELECT, SHOW VIEW ON * TO payments_backup;

-- payments_archiver is for `payments archive`, which waits for charges in progress by a lock. The rest is in grants.sql.
GRANT LOCK TABLES ON * TO payments_archiver;
