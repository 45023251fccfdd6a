"""The format of a backup file: gzipped SQL, whose last line describes the contents.

The SQL is the output of the database's own dump program, so the database's client can execute it (``zcat``). The last
line is an SQL comment with row counts and a checksum. A file without it is incomplete.
"""

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tools.errors import ToolError

_LAST_LINE_PREFIX = b"-- payments backup "
_COMPLETED = b"-- Dump completed"
"""The programs write this at the end of a complete dump."""

_SANDBOX = b"/*M!999999\\- "
"""The first line that newer MariaDB programs write. MySQL's client and older clients of MariaDB reject it."""

_COMPRESSION_LEVEL = 6
_CHUNK_BYTES = 1 << 20

_CREATE = re.compile(rb"CREATE TABLE `((?:[^`]|``)+)` \($")
_INSERT = re.compile(rb"INSERT INTO `((?:[^`]|``)+)` VALUES")
_STRING = re.compile(rb"'(?:[^'\\]|\\.|'')*'")


class BackupError(ToolError):
    """A database cannot be backed up or restored, or a file is not a complete backup."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The number of rows of each table in a backup, and the digest of its SQL."""

    rows: dict[str, int]
    sha256: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a backup. ``begun_at`` is in UTC; everything that was committed before it is in the backup."""

    database: str
    server: str
    migration: int
    begun_at: str


@dataclass(frozen=True, slots=True)
class Backup:
    """The last line of a backup: its origin and its contents."""

    origin: Origin
    contents: Contents

    def summary(self) -> str:
        """Describe the backup in one line."""
        rows = ", ".join(f"{count:,} {table}" for table, count in sorted(self.contents.rows.items()))
        origin = self.origin
        return f"{origin.database} on {origin.server} at {origin.begun_at} UTC, migration {origin.migration}: {rows}"


class _DumpCounter:
    """Counts the rows of each table in a dump and computes its digest, line by line."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rows: dict[str, int] = {}
        self._table: str | None = None
        self.is_completed = False

    def add(self, line: bytes) -> None:
        self._digest.update(line)
        if self._table is None:
            self._start_statement(line)
        if self._table is not None:
            # Outside of strings, each opening parenthesis starts a row. Strings may contain anything except line ends,
            # which the programs escape, so remove the strings first.
            without_strings = _STRING.sub(b"", line)
            self._rows[self._table] += without_strings.count(b"(")
            if without_strings.endswith(b";\n"):
                self._table = None

    def _start_statement(self, line: bytes) -> None:
        create, insert = _CREATE.match(line), _INSERT.match(line)
        if create is not None:
            self._rows[_table_name(create)] = 0
        elif insert is not None:
            self._table = _table_name(insert)
        else:
            self.is_completed |= line.startswith(_COMPLETED)

    def contents(self) -> Contents:
        return Contents(self._rows, self._digest.hexdigest())


def _table_name(match: re.Match[bytes]) -> str:
    return match[1].decode().replace("``", "`")


@contextmanager
def new_backup_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Yield a new file that only this user can read, and its temporary path.

    When the context ends without an error, the file is flushed to disk and renamed to ``path``.

    Raises:
        FileExistsError: ``path`` exists.
        OSError: the file cannot be written.
    """
    if path.exists():
        raise FileExistsError(17, "file exists; a backup never overwrites a file", str(path))
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file, part
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_backup(file: BinaryIO, lines: Iterable[bytes], origin: Origin) -> Backup:
    """Write a dump and the last line of the backup, and return the description in the last line.

    Raises:
        BackupError: the dump is incomplete.
        OSError: the file cannot be written.
    """
    counter = _DumpCounter()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION_LEVEL, filename="") as gzip_file:
        for line in lines:
            if not line.startswith(_SANDBOX):
                counter.add(line)
                gzip_file.write(line)
        backup = Backup(origin, counter.contents())
        if not counter.is_completed:
            raise BackupError("the database's dump program did not finish its output")
        gzip_file.write(_LAST_LINE_PREFIX + json.dumps(asdict(backup)).encode() + b"\n")
    return backup


def read_backup(path: Path) -> Backup:
    """Read a whole file, check it against its last line, and return the description in the last line.

    Raises:
        BackupError: the file is not a complete backup, or was changed.
        OSError: the file cannot be read.
    """
    counter = _DumpCounter()
    expected: Backup | None = None
    with closing(_lines(path)) as lines:
        for line in lines:
            if expected is not None:
                raise BackupError(f"{path} has data after the last line of the backup")
            if line.startswith(_LAST_LINE_PREFIX):
                expected = _parse_last_line(path, line)
            else:
                counter.add(line)
    if expected is None:
        raise BackupError(f"{path} is incomplete, or not a file from `payments backup`: its last line is missing")
    if expected.contents != counter.contents():
        raise BackupError(f"{path} was changed: its contents do not match its last line")
    return expected


def read_sql(path: Path) -> Iterator[bytes]:
    """Read the SQL of a complete backup in chunks."""
    with gzip.open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _lines(path: Path) -> Generator[bytes, None, None]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BackupError(f"{path} is incomplete or damaged: {error}") from None


def _parse_last_line(path: Path, line: bytes) -> Backup:
    try:
        value = cast("dict[str, dict[str, object]]", json.loads(line.removeprefix(_LAST_LINE_PREFIX)))
        return Backup(Origin(**value["origin"]), Contents(**value["contents"]))  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError):
        raise BackupError(f"{path} has an invalid last line") from None
