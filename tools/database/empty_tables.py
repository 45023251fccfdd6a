"""The check of tools that load payments only into a database without any."""

from typing import Final

from pymysql.cursors import Cursor

from tools.errors import ToolError

_HAS_PAYMENTS: Final = "SELECT EXISTS (SELECT 1 FROM payments) OR EXISTS (SELECT 1 FROM payments_archive)"


class TablesNotEmpty(ToolError):
    """There are payments already, live or archived, so nothing is loaded."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("there are payments already; nothing was loaded")


def require_empty_tables(cursor: Cursor) -> None:
    """Check that the database has no payment, live or archived.

    A tool calls this in the transaction of its first rows, before it inserts them. A charge that commits between this
    check and the INSERT either has a key of the file or has none. With one, the INSERT fails and the transaction starts
    over with this check. Without one, the charge might as well have been made after the load.

    Raises:
        TablesNotEmpty: there are payments.
    """
    cursor.execute(_HAS_PAYMENTS)
    if cursor.fetchall() != ((0,),):
        raise TablesNotEmpty
