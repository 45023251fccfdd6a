"""The schema versions that the service and its tools accept."""

import pytest

from server.storage.schema_check import NEEDED_VERSION, SchemaOutdated, require_version


@pytest.mark.parametrize("version", [0, NEEDED_VERSION - 1])
def test_a_database_that_lacks_migrations_is_rejected(version: int) -> None:
    with pytest.raises(
        SchemaOutdated, match=rf"at migration {version}, but {NEEDED_VERSION} is needed: run `payments m"
    ):
        require_version(version)


@pytest.mark.parametrize("version", [NEEDED_VERSION, NEEDED_VERSION + 1])
def test_a_database_with_the_needed_or_later_migrations_is_accepted(version: int) -> None:
    require_version(version)
