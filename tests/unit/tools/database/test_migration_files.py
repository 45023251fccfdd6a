"""The files of migrations: their names, numbers and statements."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.database.migration_files import MigrationError, load_migrations


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the files of a folder of migrations, by the names given; return the folder."""

    def write_files(**texts: str) -> Path:
        folder = tmp_path / "migrations"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name.removeprefix('m')}.sql").write_text(text)
        return folder

    return write_files


@pytest.mark.parametrize("name", ["0001_Upper", "1_short", "0001-dash", "0002_starts_late"])
def test_files_that_are_not_named_or_numbered_in_order_are_refused(write: Callable[..., Path], name: str) -> None:
    with pytest.raises(MigrationError, match=r"NNNN_name|expected number 0001"):
        load_migrations(write(**{f"m{name}": "SELECT 1"}))
