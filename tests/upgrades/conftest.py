"""The previous release, for all tests of upgrades."""

import pytest

from tests.upgrades.previous_release import PreviousRelease, install_previous_release


@pytest.fixture(scope="session")
def previous() -> PreviousRelease:
    return install_previous_release()
