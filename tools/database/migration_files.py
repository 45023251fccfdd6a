"""The files of ``migrations/``: ``NNNN_name.sql``, numbered 1, 2, 3 without a gap, each one SQL statement."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_INSTALLED = Path(__file__).resolve().parents[1] / "migrations"
"""Where the wheel has them."""

MIGRATIONS = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / "migrations"

_FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_CURRENCY_CODE = re.compile(r"[A-Z]{3}")
_PLACEHOLDER = "${default_currency}"

_TOKEN = re.compile(
    r"""
    (?P<comment> --(?=\s|\Z)[^\n]* | \#[^\n]* | /\*(?!!).*?\*/ )
    | (?P<end> ; )
    | '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*`
    | \s+ | .
    """,
    re.VERBOSE | re.DOTALL,
)
"""What SQL text is made of, as far as finding the ends of statements goes. ``/*!`` begins no comment: it is run."""


class MigrationError(Exception):
    """Migrating cannot go on; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    path: Path
    text: str

    def __str__(self) -> str:
        """Return it for people: ``0002_widen_payments``."""
        return f"{self.version:04d}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statement(self, default_currency: str) -> str:
        """Return the SQL to run, ``${default_currency}`` in it replaced.

        Raises:
            MigrationError: the file does not hold exactly one statement, has another placeholder, or
                ``default_currency`` is not three upper-case letters.
        """
        if not _CURRENCY_CODE.fullmatch(default_currency):
            msg = f"the default currency must be three upper-case letters, not {default_currency!r}"
            raise MigrationError(msg)
        sql = self.text.replace(_PLACEHOLDER, default_currency)
        if "${" in sql:
            msg = f"{self.path}: the only placeholder there is is {_PLACEHOLDER}"
            raise MigrationError(msg)
        statements = split_statements(sql)
        if len(statements) != 1:
            msg = (
                f"{self.path}: holds {len(statements)} statements. A migration is one statement, for one table: then "
                "it happens wholly or not at all, and whichever can be told after a crash"
            )
            raise MigrationError(msg)
        return statements[0]


def load_migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Return the migrations in ``folder`` in their order.

    Raises:
        MigrationError: a file is named otherwise, or a number is missing or there twice.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            msg = f"{path}: a migration is named NNNN_name.sql, in lower case"
            raise MigrationError(msg)
        text = path.read_bytes().decode()
        migrations.append(Migration(int(match["version"]), match["name"], path, text))
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            msg = f"{migration.path}: expected number {expected:04d} here; there is one of each, without a gap"
            raise MigrationError(msg)
    return tuple(migrations)


def latest_version(folder: Path = MIGRATIONS) -> int:
    """Return the highest version among the files; 0 when there are none.

    Raises:
        MigrationError: as ``load_migrations``.
    """
    return len(load_migrations(folder))


def split_statements(sql: str) -> list[str]:
    """Split SQL at the semicolons that end statements: not those in strings, quoted names and comments.

    Comments between statements go with the one that follows; what is only comments is no statement. There is no
    ``DELIMITER`` here, so no stored programs.
    """
    statements = []
    start = 0
    is_empty = True
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "end":
            if not is_empty:
                statements.append(sql[start : token.start()].strip())
            start, is_empty = token.end(), True
        elif token.lastgroup != "comment" and not token[0].isspace():
            is_empty = False
    if not is_empty:
        statements.append(sql[start:].strip())
    return statements
