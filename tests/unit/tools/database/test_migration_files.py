"""The names and numbers of migration files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.database.migration_files import MigrationError, load_migrations


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write migration files with the given names; return their folder."""

    def write_files(**texts: str) -> Path:
        folder = tmp_path / "migrations"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name.removeprefix('m')}.sql").write_text(text)
        return folder

    return write_files


@pytest.mark.parametrize("name", ["0001_Upper", "1_short", "0001-dash", "0002_starts_late"])
def test_files_with_invalid_names_or_numbers_are_rejected(write: Callable[..., Path], name: str) -> None:
    with pytest.raises(MigrationError, match=r"NNNN_name|expected number 0001"):
        load_migrations(write(**{f"m{name}": "SELECT 1"}))
