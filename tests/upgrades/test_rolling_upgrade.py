"""This release replaces the previous one, and is rolled back, while callers charge, refund, list and watch.

The previous release is a real one, installed from the history. The schema changes twice while replicas serve: by the
migrations that are new in this release, and by those in ``next_release``, which are examples of what a later one may
change.
"""

import shutil
from pathlib import Path

import pytest

from tests.support.databases import Accounts
from tests.upgrades.deployment import Deployment
from tests.upgrades.previous_release import PreviousRelease
from tools.database.migration_files import MIGRATIONS, latest_version

_EXAMPLES = sorted((Path(__file__).parent / "next_release").glob("*.sql"))


@pytest.fixture
def next_migrations(tmp_path: Path) -> Path:
    """Return a folder with the migrations of this release, followed by the examples."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    for version, example in enumerate(_EXAMPLES, start=latest_version() + 1):
        shutil.copy(example, folder / f"{version:04d}_{example.name.partition('_')[2]}")
    return folder


@pytest.mark.long
def test_both_releases_serve_on_one_schema_during_an_upgrade_and_a_rollback(
    previous: PreviousRelease,
    empty_database: dict[str, str],
    next_migrations: Path,
    accounts: Accounts,
    request: pytest.FixtureRequest,
) -> None:
    deployment = Deployment(previous, accounts, empty_database["MYSQL_DB"])
    first, second = deployment.replicas
    for replica in (first, second):
        request.addfinalizer(replica.kill)
        replica.run(previous)

    with deployment.load() as load:
        load.wait_until_both_serve()

        deployment.migrate()
        load.wait_until_both_serve()

        deployment.grant()
        first.run(None)
        load.wait_until_both_serve()

        assert deployment.migrate(next_migrations) == len(_EXAMPLES)
        load.wait_until_both_serve()

        # Both releases also start on a schema that is newer than they are.
        second.run(previous)
        load.wait_until_both_serve()

        second.run(None)
        load.wait_until_both_serve()

        first.run(previous)
        second.run(previous)
        load.wait_until_both_serve()
