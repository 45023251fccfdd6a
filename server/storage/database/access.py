"""Messages about a database that refuses the account: which account, where, why, and what to do about it."""

from collections.abc import Mapping

import pymysql.err

from server.config.database import DatabaseSettings
from server.config.network_addresses import host_and_port
from server.storage.database import driver_errors

_SET_LOGIN = (
    "Set MYSQL_USER and MYSQL_PASSWORD to an account of this database: deploy/sql/accounts.sql makes the accounts, "
    "deploy/sql/passwords.sh gives them their passwords"
)
_UNLOCK = "deploy/sql/passwords.sh gives the account a password and unlocks it"
_NEW_PASSWORD = "deploy/sql/passwords.sh gives the account a new password"  # noqa: S105 - advice
_GRANT = "Run deploy/sql/grants.sql, as after each `payments migrate`, and use the account that is meant for this"
_OTHER_PLUGIN = (
    "ALTER USER must give the account another plugin: caching_sha2_password, or mysql_native_password on MariaDB"
)

_ADVICE: Mapping[int, str] = {
    1044: (
        "Set MYSQL_DB to the database of the payments; if it is, run deploy/sql/accounts.sql, `payments migrate` and "
        "deploy/sql/grants.sql, in this order"
    ),
    1045: _SET_LOGIN,
    1049: "Set MYSQL_DB to the database of the payments; `payments migrate` makes it, as an account that may",
    1129: "Too many connections from this host broke off: mend that, then run `mysqladmin flush-hosts` on the database",
    1130: "Make the account for this host too: CREATE USER 'name'@'host', or '%' for any",
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
    3159: "The service's connections to the database are not encrypted: allow that for it (require_secure_transport)",
    3955: f"Too many logins had a wrong password. {_UNLOCK}",
    4151: _UNLOCK,
}
"""What to do, by the error's number: see ``driver_errors``."""


def address(settings: DatabaseSettings) -> str:
    """Return the address of the database, for people."""
    if settings.mysql_socket is not None:
        return str(settings.mysql_socket)
    return host_and_port(settings.mysql_host or "", settings.mysql_port)


def reason(error: BaseException) -> str:
    """Return the text of an error, in one line."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    text = str(error.args[1] if isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1 else error)
    # aiomysql leaves out why a connection failed.
    if isinstance(error.__cause__, OSError) and str(error.__cause__) not in text:
        text += f" ({error.__cause__})"
    return " ".join(text.split())


def explain(error: BaseException) -> str:
    """Return the text of an error, and what to do when the database refuses the account."""
    advice = _ADVICE.get(driver_errors.code(error))
    return (
        reason(error)
        if advice is None
        else f"{reason(error).rstrip('.')}. {advice} (docs/operations/database-accounts.md)"
    )


def refusal(error: BaseException, settings: DatabaseSettings) -> str | None:
    """Return a line about a database that refuses the login or a right of the account; None for other errors.

    No password is in it: neither the server's messages nor the settings that it names hold one.
    """
    if driver_errors.code(error) not in _ADVICE:
        return None
    where = f"the database {settings.mysql_db} at {address(settings)}"
    return f"{where} refuses user {settings.mysql_user}: {explain(error)}"
