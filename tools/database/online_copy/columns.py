"""The columns that are copied, and the conversion of their values."""

from dataclasses import dataclass

from tools.database.connection import quote_identifier
from tools.database.online_copy.preconditions import CopyImpossible
from tools.database.online_copy.tables import Table

_UTC_TIME = (
    "CASE WHEN {value} = 0 THEN '0000-00-00 00:00:00' "
    "ELSE TIMESTAMPADD(MICROSECOND, UNIX_TIMESTAMP({value}) * 1000000, TIMESTAMP '1970-01-01 00:00:00') END"
)
"""The time of a TIMESTAMP in UTC, whatever the time zone of the session, also in the hour that a clock repeats.
MariaDB's triggers have no UNIX_TIMESTAMP of 0000-00-00.
"""


@dataclass(frozen=True, slots=True)
class CopiedColumn:
    """A column of both tables. ``is_instant`` is whether a TIMESTAMP becomes a DATETIME in UTC."""

    quoted_name: str
    is_instant: bool

    def value(self, row: str) -> str:
        """Return the expression of the new table's value, for a row of the original table."""
        value = f"{row}.{self.quoted_name}"
        return _UTC_TIME.format(value=value) if self.is_instant else value


def columns_to_copy(original: Table, new: Table) -> list[CopiedColumn]:
    """Return the columns of both tables.

    Raises:
        CopyImpossible: the primary keys differ, or a value would depend on the time zone of the session.
    """
    if new.primary_key() != original.primary_key():
        raise CopyImpossible(original, "its primary key would change")
    original_types = {column.name: column.type for column in original.columns()}
    columns = []
    for column in new.columns():
        original_type = original_types.get(column.name)
        if column.is_generated or original_type is None:
            continue
        is_instant = original_type == "timestamp" and column.type == "datetime"
        if original_type != column.type and not is_instant and "timestamp" in {original_type, column.type}:
            raise CopyImpossible(original, f"{column.name} would change from {original_type} to {column.type}")
        columns.append(CopiedColumn(quote_identifier(column.name), is_instant))
    return columns
