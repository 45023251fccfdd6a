#!/bin/sh
# Prints the SQL that gives the accounts of accounts.sql their passwords and lets them in: MYSQL_MIGRATOR_PASSWORD and
# MYSQL_SERVICE_PASSWORD of the environment, and MYSQL_BACKUP_PASSWORD and MYSQL_ARCHIVER_PASSWORD where they are set,
# without which those accounts stay locked. To be piped into the database's client, so that no password is in a command.
set -eu

allow() {
    # A backslash before each quote and each backslash.
    password=$(printf '%s' "$2" | sed "s/[\\\\']/\\\\&/g")
    printf "ALTER USER %s IDENTIFIED BY '%s' ACCOUNT UNLOCK;\n" "$1" "$password"
}

allow payments_migrator "${MYSQL_MIGRATOR_PASSWORD:?is not set}"
allow payments_service "${MYSQL_SERVICE_PASSWORD:?is not set}"
[ -z "${MYSQL_BACKUP_PASSWORD:-}" ] || allow payments_backup "$MYSQL_BACKUP_PASSWORD"
[ -z "${MYSQL_ARCHIVER_PASSWORD:-}" ] || allow payments_archiver "$MYSQL_ARCHIVER_PASSWORD"
