"""A session that fails if it executes a statement that is missing in ``server.storage.statements``."""

import re
from collections.abc import Sequence

from server.storage.database.fast_read import RawRow
from server.storage.database.session import Session, StatementResult
from server.storage.database.transactions import ROLL_BACK
from server.storage.statements import STATEMENTS, list_statements, name_of

_SEVERAL_VALUES = re.compile(r"%s(?:, %s)+")
_CLAUSE_START = re.compile(r"\b(?:SELECT|FROM|JOIN|WHERE|AND|OR|FORCE INDEX|ORDER BY|LIMIT|OFFSET)\b")


def _clauses(text: str) -> set[str]:
    return {clause.strip(" ()") for clause in _CLAUSE_START.split(_SEVERAL_VALUES.sub("%s", text))}


_LIST_CLAUSES = set[str]().union(*map(_clauses, list_statements()))


def is_listed(text: str) -> bool:
    """Whether a statement is listed, or is a list of payments whose every clause is in a listed one."""
    return name_of(text) in STATEMENTS or _clauses(text) <= _LIST_CLAUSES


class ListedSession(Session):
    """A session that fails if it executes a statement that is not listed."""

    async def script(self, text: str, values: Sequence[object]) -> list[StatementResult]:
        """Execute one or more statements: see ``Session``."""
        # The pool prepares each connection, and rolls back, itself.
        assert is_listed(text) or text == ROLL_BACK or text.strip().startswith("SET SESSION"), text
        return await super().script(text, values)

    async def values(self, text: str, values: Sequence[object]) -> list[bytes]:
        """Execute a query with one column: see ``Session``."""
        assert is_listed(text), text
        return await super().values(text, values)

    async def raw_rows(self, text: str, values: Sequence[object]) -> list[RawRow]:
        """Execute a query: see ``Session``."""
        assert is_listed(text), text
        return await super().raw_rows(text, values)
