"""The files in ``migrations/``: ``NNNN_name.sql``, numbered 1, 2, 3 without gaps, each with a single SQL statement.

The tools' connections send one statement at a time, so the database refuses a file with several.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolError

_INSTALLED = Path(__file__).resolve().parents[1] / "migrations"
"""The folder of the migrations in an installed wheel."""

MIGRATIONS = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / "migrations"

_FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_CURRENCY_CODE = re.compile(r"[A-Z]{3}")
_PLACEHOLDER = "${default_currency}"

FIRST_ID, LAST_ID = "${first_id}", "${last_id}"
"""Placeholders of a statement that runs once for each range of IDs (``row_ranges``)."""


class MigrationError(ToolError):
    """The migration files are invalid or do not match the database, or a migration failed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A file in ``migrations/``."""

    version: int
    name: str
    path: Path
    text: str

    def __str__(self) -> str:
        """Return a name such as ``0002_widen_payments``."""
        return f"{self.version:04d}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statement(self, default_currency: str) -> str:
        """Return the SQL to run, with ``${default_currency}`` replaced; a range of IDs is replaced later.

        Raises:
            MigrationError: the file has another placeholder, or ``default_currency`` is not three uppercase letters.
        """
        if not _CURRENCY_CODE.fullmatch(default_currency):
            msg = f"the default currency must be three uppercase letters, not {default_currency!r}"
            raise MigrationError(msg)
        sql = self.text.replace(_PLACEHOLDER, default_currency)
        if "${" in sql.replace(FIRST_ID, "").replace(LAST_ID, ""):
            msg = f"{self.path}: unknown placeholder; only {_PLACEHOLDER}, {FIRST_ID} and {LAST_ID} are allowed"
            raise MigrationError(msg)
        return sql


def load_migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Return the migrations in ``folder`` in order.

    Raises:
        MigrationError: a file has an invalid name, or a number is missing or used twice.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            msg = f"{path}: the name of a migration must be NNNN_name.sql, in lowercase"
            raise MigrationError(msg)
        text = path.read_bytes().decode()
        migrations.append(Migration(int(match["version"]), match["name"], path, text))
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            msg = (
                f"{migration.path}: expected number {expected:04d}; migrations are numbered without gaps or duplicates"
            )
            raise MigrationError(msg)
    return tuple(migrations)


def latest_version(folder: Path = MIGRATIONS) -> int:
    """Return the highest version among the files, or 0 if there are none.

    Raises:
        MigrationError: as in ``load_migrations``.
    """
    return len(load_migrations(folder))
