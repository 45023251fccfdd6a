#!/bin/sh
# Prints the SQL that sets the passwords of the accounts in accounts.sql, and unlocks the accounts. The passwords are in the
# environment: MYSQL_MIGRATOR_PASSWORD, MYSQL_SERVICE_PASSWORD and, optionally, MYSQL_BACKUP_PASSWORD and
# MYSQL_ARCHIVER_PASSWORD. Accounts without a password stay locked. Pipe the output into the database's client, so that no
# password is in a command line.
set -eu

unlock() {
    # Escape quotes and backslashes.
    password=$(printf '%s' "$2" | sed "s/[\\\\']/\\\\&/g")
    printf "ALTER USER %s IDENTIFIED BY '%s' ACCOUNT UNLOCK;\n" "$1" "$password"
}

unlock payments_migrator "${MYSQL_MIGRATOR_PASSWORD:?is not set}"
unlock payments_service "${MYSQL_SERVICE_PASSWORD:?is not set}"
[ -z "${MYSQL_BACKUP_PASSWORD:-}" ] || unlock payments_backup "$MYSQL_BACKUP_PASSWORD"
[ -z "${MYSQL_ARCHIVER_PASSWORD:-}" ] || unlock payments_archiver "$MYSQL_ARCHIVER_PASSWORD"
