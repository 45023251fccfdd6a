"""Whether the tests run on TiDB, and what they do differently there."""

import pytest

from tools.database.private_database import SELECTED_DATABASE
from tools.dev import tidb

IS_SELECTED = SELECTED_DATABASE == tidb.NAME

COLLATION = "COLLATE utf8mb4_0900_bin" if IS_SELECTED else ""
"""The collation of a new database, and so of a legacy table in it. TiDB cannot change it when the table is adopted."""


def except_on_tidb(reason: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test on TiDB. ``reason`` says what TiDB does differently."""
    return pytest.mark.skipif(IS_SELECTED, reason=f"on TiDB: {reason}")
