"""A table of numbers is the same on every database."""

import pytest

from tests.support.databases import DatabaseServer
from tools.dev.number_table import number_table


@pytest.mark.parametrize("count", [1, 2, 10, 11, 999, 1_000, 1_001, 12_345, 100_000])
def test_it_has_the_numbers_from_1_in_order(database_server: DatabaseServer, count: int) -> None:
    assert database_server.execute(f"SELECT k FROM {number_table(count)}") == [(k,) for k in range(1, count + 1)]
