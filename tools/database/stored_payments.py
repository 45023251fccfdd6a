"""Whether a database has payments, for tools that load only into an empty one."""

from typing import Final

from pymysql.cursors import Cursor

_HAS_PAYMENTS: Final = "SELECT EXISTS (SELECT 1 FROM payments) OR EXISTS (SELECT 1 FROM payments_archive)"


class TableNotEmpty(Exception):
    """There are payments already, live or archived, so nothing is loaded."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("there are payments already; nothing was loaded")


def has_payments(cursor: Cursor) -> bool:
    """Tell whether the database has any payment, live or archived."""
    cursor.execute(_HAS_PAYMENTS)
    return cursor.fetchall() != ((0,),)


def refuse_payments(cursor: Cursor) -> None:
    """Check that the database has no payment, live or archived.

    A tool that loads only into an empty table asks this in the transaction of its first rows, before it inserts them. A
    charge that is committed between this and the INSERT either has a key of the file, so that the INSERT fails and the
    transaction starts over with this check, or has none, and then it is the same as if it had been made after the load.

    Raises:
        TableNotEmpty: there are payments.
    """
    if has_payments(cursor):
        raise TableNotEmpty
