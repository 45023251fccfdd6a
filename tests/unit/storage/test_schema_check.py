"""Which schema the service and its tools work with."""

import pytest

from server.storage.schema_check import NEEDED_VERSION, SchemaOutdated, require_version


@pytest.mark.parametrize("version", [0, NEEDED_VERSION - 1])
def test_a_database_that_lacks_migrations_is_refused(version: int) -> None:
    with pytest.raises(
        SchemaOutdated, match=rf"at migration {version}, {NEEDED_VERSION} is needed: run `payments migr"
    ):
        require_version(version)


@pytest.mark.parametrize("version", [NEEDED_VERSION, NEEDED_VERSION + 1])
def test_a_database_with_these_migrations_or_later_ones_is_accepted(version: int) -> None:
    require_version(version)
