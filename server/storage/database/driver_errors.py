"""The meaning of the database driver's errors: which are transient, which are retried, and how each is counted.

The numbers are from MySQL's "Server Error Message Reference" and "Client Error Message Reference", from MariaDB's
"Error Codes", and from TiDB's "Error Codes and Troubleshooting". The first two differ in 1900 to 1999 and in 4000 to
4999; only TiDB has numbers from 8000 on.
"""

import pymysql.err
from pymysql.constants import CR

DUPLICATE_KEY = 1062

LOCK_WAIT_TIMEOUT = 1205

LOCKED_NOWAIT = 3572
"""MySQL's and TiDB's error for NOWAIT; MariaDB's is a lock wait timeout."""

_DEADLOCK = 1213

_LOCKED = frozenset({LOCK_WAIT_TIMEOUT, _DEADLOCK, 1614, 1689, LOCKED_NOWAIT})
"""A lock wait timeout, a deadlock (also in an XA transaction), a wait aborted by a pending exclusive lock, NOWAIT."""

_CONNECTION_LOST = frozenset({1927, 2006, 2013, 2055, 3169, 4031})

_CAUSE_GONE = frozenset(
    {
        1020,  # the record has changed since it was read (MariaDB with innodb_snapshot_isolation)
        *(1412, 1615),  # the table's definition has changed, the statement must be prepared again
        1467,  # the next AUTO_INCREMENT value could not be read: happens after KILL QUERY
        3101,  # rolled back during the commit by group replication, which certified another transaction first
        *(8002, 8005, 8022, 9007),  # rolled back by TiDB, because another transaction wrote the same rows
        8028,  # a table's definition has changed during the transaction (TiDB)
    }
)
"""The transaction was rolled back, or its statement did nothing, for a reason that no longer applies."""

_RETRYABLE = _CONNECTION_LOST | _CAUSE_GONE | _LOCKED - {LOCK_WAIT_TIMEOUT}
"""Errors after which an immediate retry is likely to succeed.

A lock wait timeout is not one of them: the lock was held for seconds, and each retry would occupy a connection for as
long again.
"""

_FULL = frozenset({1021, 1026, 1037, 1038, 1041, 1114, 1206, 3170, 8001, 8175, 8176})
"""The disk, memory, table, sort buffer or lock table is full."""

_TOO_MANY_CONNECTIONS = frozenset({1040, 1135, 1203, 1226, 1637})
"""Too many connections, threads or transactions."""

_ACCESS_DENIED = frozenset(
    {
        *(1044, 1045, 1049, 1129, 1130, 1698),  # the user, password, host or database
        *(1142, 1143, 1227),  # privileges on a table, on a column, of the server
        *(1820, 1862, 3118, 3955, 4151),  # the password has expired, or the account is locked
        *(1251, 1524, 2059, 3159),  # unsupported login: the authentication plugin, or the lack of encryption
    }
)
"""An administrator must grant access; the request itself is valid. ``access`` has advice for each error."""

_READ_ONLY = frozenset({1036, 1207, 1223, 1290, 1792, 1836, 3100})

_OTHER_TRANSIENT = frozenset(
    {
        *(1015, 1016, 1030),  # a file cannot be locked or opened, or the storage engine reports an error
        *(1053, 1077, 1079, 1080),  # shutting down
        *(1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184),  # the connection was interrupted
        *(1180, 1181),  # error during COMMIT or ROLLBACK
        *(1047, 1297, 3168, *range(3796, 3800)),  # the node, storage engine or group consistency is not ready
        *(1028, 1317, 1969, 3024),  # interrupted, or exceeded its time limit
        *range(2000, 2100),  # errors of the client library
        1105,  # TiDB's "unknown error", for example if it cannot reach its storage
        *(8027, 8059, 8120, 8229),  # TiDB cannot refresh the schema or read an id or the time, or a lock has expired
        *range(9001, 9007),  # TiDB's storage is unavailable, busy or slow
        *(9010, 9011),  # TiDB's storage is changing its leader
    }
)

_UNAVAILABLE = _RETRYABLE | _LOCKED | _FULL | _TOO_MANY_CONNECTIONS | _ACCESS_DENIED | _READ_ONLY | _OTHER_TRANSIENT

_TIMEOUT_KIND, _UNAVAILABLE_KIND, _REFUSED_KIND = "timeout", "unavailable", "refused"

_KINDS = {
    **dict.fromkeys(_LOCKED, "lock"),
    **dict.fromkeys(_CONNECTION_LOST, "connection_lost"),
    **dict.fromkeys(_FULL, "full"),
    **dict.fromkeys(_TOO_MANY_CONNECTIONS, "too_many_connections"),
    **dict.fromkeys(_ACCESS_DENIED, "access_denied"),
    **dict.fromkeys(_READ_ONLY, "read_only"),
}
"""The metric label of an error. Any other transient error is "unavailable", and any other error "refused"."""

KINDS = frozenset({*_KINDS.values(), _TIMEOUT_KIND, _UNAVAILABLE_KIND, _REFUSED_KIND})


def connection_lost() -> pymysql.err.OperationalError:
    """Return the error for a connection that is closed, or that the database closed during a statement."""
    return pymysql.err.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")


def transaction_aborted() -> pymysql.err.OperationalError:
    """Return the error for a transaction that the database silently aborted between two statements."""
    return pymysql.err.OperationalError(_DEADLOCK, "the transaction was aborted before its commit")


def code(error: BaseException) -> int:
    """Return the number of a server or client error, or -1 if it has none."""
    if isinstance(error, pymysql.err.MySQLError) and error.args and isinstance(error.args[0], int):
        # The driver raises InterfaceError(0, ...) for a closed connection.
        return error.args[0] or CR.CR_SERVER_GONE_ERROR
    return -1


def is_refusal(error: Exception) -> bool:
    """Return whether the database rejects the statement, so that a retry would fail too."""
    return isinstance(error, pymysql.err.MySQLError) and code(error) not in _UNAVAILABLE


def keeps_connection(error: Exception) -> bool:
    """Return whether only the statement failed, so that its transaction can be rolled back on the same connection."""
    return is_refusal(error) or code(error) in {LOCK_WAIT_TIMEOUT, LOCKED_NOWAIT}


def is_retryable(error: Exception) -> bool:
    """Return whether an immediate retry is likely to succeed."""
    return code(error) in _RETRYABLE


def kind(error: Exception) -> str:
    """Return the kind under which an error is counted, one of ``KINDS``."""
    if isinstance(error, TimeoutError):
        return _TIMEOUT_KIND
    number = code(error)
    return _KINDS.get(number, _UNAVAILABLE_KIND if number in _UNAVAILABLE | {-1} else _REFUSED_KIND)
