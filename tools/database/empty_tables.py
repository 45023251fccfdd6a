"""A check that the database has no payments, for tools that load only into an empty database."""

from typing import Final

from pymysql.cursors import Cursor

from tools.errors import ToolError

_HAS_PAYMENTS: Final = "SELECT EXISTS (SELECT 1 FROM payments) OR EXISTS (SELECT 1 FROM payments_archive)"


class TablesNotEmpty(ToolError):
    """The database already has payments, live or archived, so nothing was loaded."""

    def __init__(self) -> None:
        """Set the message."""
        super().__init__("the database already has payments; nothing was loaded")


def require_empty_tables(cursor: Cursor) -> None:
    """Check that the database has no payments, live or archived.

    A tool calls this in the transaction that inserts its first rows, before the INSERT. A charge may still commit
    between the check and the INSERT. If it has a key of one of the new rows, the INSERT fails; an import then starts
    the transaction again with this check. Otherwise, the charge might as well have been made after the load.

    Raises:
        TablesNotEmpty: the database has payments.
    """
    cursor.execute(_HAS_PAYMENTS)
    if cursor.fetchall() != ((0,),):
        raise TablesNotEmpty
