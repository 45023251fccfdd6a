"""The previous release, for all tests of upgrades."""

import pytest

from tests.upgrades.previous_release import HistoryMissing, PreviousRelease, install_previous_release


@pytest.fixture(scope="session")
def previous() -> PreviousRelease:
    try:
        return install_previous_release()
    except HistoryMissing as error:
        pytest.skip(str(error))
