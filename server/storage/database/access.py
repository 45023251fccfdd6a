"""Error messages for a database that rejects the account: which account, which database, why, and what to do."""

from collections.abc import Mapping

import pymysql.err

from server.config.database import DatabaseSettings
from server.config.network_addresses import host_and_port
from server.storage.database import driver_errors

_SET_LOGIN = (
    "Set MYSQL_USER and MYSQL_PASSWORD to an account of this database. deploy/sql/accounts.sql creates the accounts, "
    "and deploy/sql/passwords.sh sets their passwords"
)
_UNLOCK = "Run deploy/sql/passwords.sh, which sets the account's password and unlocks it"
_NEW_PASSWORD = "Run deploy/sql/passwords.sh, which sets a new password"  # noqa: S105 - advice
_GRANT = "Set MYSQL_USER to {account}, and run deploy/sql/grants.sql, as after each `payments migrate`"
_OTHER_PLUGIN = (
    "Use ALTER USER to give the account another authentication plugin: caching_sha2_password, or mysql_native_password "
    "on MariaDB"
)

_ADVICE: Mapping[int, str] = {
    1044: (
        "Set MYSQL_DB to the payments database. If the name is correct, run deploy/sql/accounts.sql, "
        "`payments migrate` and deploy/sql/grants.sql, in this order"
    ),
    1045: _SET_LOGIN,
    1049: "Set MYSQL_DB to the payments database. `payments migrate` creates it if its account may create databases",
    1129: (
        "Too many connections from this host were interrupted: fix the cause, then run `mysqladmin flush-hosts` on the "
        "database"
    ),
    1130: "Create the account for this host as well: CREATE USER 'name'@'host', or '%' for any host",
    1142: _GRANT,
    1143: _GRANT,
    1227: _GRANT,
    1251: _OTHER_PLUGIN,
    1524: _OTHER_PLUGIN,
    1698: _SET_LOGIN,
    1820: _NEW_PASSWORD,
    1862: _NEW_PASSWORD,
    2059: _OTHER_PLUGIN,
    3118: _UNLOCK,
    3159: (
        "The service does not encrypt its connections to the database: configure the database to allow unencrypted "
        "connections (require_secure_transport)"
    ),
    3955: f"Too many logins failed because of a wrong password. {_UNLOCK}",
    4151: _UNLOCK,
}
"""What to do, by error number: see ``driver_errors``."""


def address(settings: DatabaseSettings) -> str:
    """Return the address of the database, for messages."""
    if settings.mysql_socket is not None:
        return str(settings.mysql_socket)
    return host_and_port(settings.mysql_host or "", settings.mysql_port)


def reason(error: BaseException) -> str:
    """Return the text of an error on one line."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    text = str(error.args[1] if isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1 else error)
    # aiomysql omits the reason why a connection failed.
    if isinstance(error.__cause__, OSError) and str(error.__cause__) not in text:
        text += f" ({error.__cause__})"
    return " ".join(text.split())


def explain(error: BaseException, account: str | None = None) -> str:
    """Return the text of an error, and what to do if the database rejected the account.

    ``account`` is the account of ``deploy/sql`` that has the privileges for the work, if it is known.
    """
    advice = _ADVICE.get(driver_errors.code(error))
    if advice is None:
        return reason(error)
    advice = advice.replace("{account}", account or "the account intended for this task")
    return f"{reason(error).rstrip('.')}. {advice} (docs/operations/database-accounts.md)"


def rejection(error: BaseException, settings: DatabaseSettings) -> str | None:
    """Return a one-line message if the login is rejected or the account lacks a privilege; None for other errors.

    It contains no password: neither the server's messages nor the settings that are included have one.
    """
    if driver_errors.code(error) not in _ADVICE:
        return None
    where = f"the database {settings.mysql_db} at {address(settings)}"
    return f"{where} rejects user {settings.mysql_user}: {explain(error)}"
