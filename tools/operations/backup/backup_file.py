"""The format of a backup: SQL text in gzip, whose last line says what the text before it must contain.

The text is the output of the database's own dump program, and its client can execute it (``zcat``). The last line is an
SQL comment. A file without it is not whole.
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

_MARK = b"-- payments backup "
_COMPLETED = b"-- Dump completed"
"""What the programs write at the end of a dump that succeeded."""

_SANDBOX = b"/*M!999999\\- "
"""How newer programs of MariaDB begin; MySQL's client, and older ones of MariaDB, stop at it with an error."""

_COMPRESSION_LEVEL = 6
_READ_BYTES = 1 << 20

_CREATE = re.compile(rb"CREATE TABLE `((?:[^`]|``)+)` \($")
_INSERT = re.compile(rb"INSERT INTO `((?:[^`]|``)+)` VALUES")
_STRING = re.compile(rb"'(?:[^'\\]|\\.|'')*'")


class BackupError(ToolError):
    """A database cannot be backed up or restored, or a file is not a whole backup."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of each table in a backup, and the digest of its text."""

    rows: dict[str, int]
    sha256: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a backup comes from. ``begun_at`` is in UTC; the backup has everything that was committed before."""

    database: str
    server: str
    migration: int
    begun_at: str


@dataclass(frozen=True, slots=True)
class Backup:
    """The last line of a backup: where it comes from, and what it contains."""

    origin: Origin
    contents: Contents

    def summary(self) -> str:
        """Describe it for people."""
        rows = ", ".join(f"{count:,} {table}" for table, count in sorted(self.contents.rows.items()))
        origin = self.origin
        return f"{origin.database} on {origin.server} at {origin.begun_at} UTC, migration {origin.migration}: {rows}"


class _DumpCounter:
    """Counts the rows of each table in a dump, line by line, and computes its digest."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rows: dict[str, int] = {}
        self._table: str | None = None
        self.is_completed = False

    def take(self, line: bytes) -> None:
        self._digest.update(line)
        if self._table is None:
            self._begin(line)
        if self._table is not None:
            # What is in strings may look like anything; outside them a row is what is in parentheses. A string has no
            # end of line in it: the programs write that as an escape.
            bare = _STRING.sub(b"", line)
            self._rows[self._table] += bare.count(b"(")
            if bare.endswith(b";\n"):
                self._table = None

    def _begin(self, line: bytes) -> None:
        created, inserted = _CREATE.match(line), _INSERT.match(line)
        if created is not None:
            self._rows[_name(created)] = 0
        elif inserted is not None:
            self._table = _name(inserted)
        else:
            self.is_completed |= line.startswith(_COMPLETED)

    def contents(self) -> Contents:
        return Contents(self._rows, self._digest.hexdigest())


def _name(found: re.Match[bytes]) -> str:
    return found[1].decode().replace("``", "`")


@contextmanager
def new_backup_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Give a new file that only this user can read, and its path until the context ends.

    It gets its name once the context ends without an error and the file is on the disk.

    Raises:
        FileExistsError: there is one of that name.
        OSError: it cannot be written.
    """
    if path.exists():
        raise FileExistsError(17, "is there already; a backup is not written over another", str(path))
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
    """Write a dump and its last line, and return that.

    Raises:
        BackupError: the dump is not whole.
        OSError: the file cannot be written.
    """
    counter = _DumpCounter()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION_LEVEL, filename="") as packed:
        for line in lines:
            if not line.startswith(_SANDBOX):
                counter.take(line)
                packed.write(line)
        backup = Backup(origin, counter.contents())
        if not counter.is_completed:
            raise BackupError("what the database's program wrote has no end")
        packed.write(_MARK + json.dumps(asdict(backup)).encode() + b"\n")
    return backup


def read_backup(path: Path) -> Backup:
    """Read a file to its end, check it against its last line, and return that.

    Raises:
        BackupError: it is not a whole backup, or was changed.
        OSError: it cannot be read.
    """
    counter = _DumpCounter()
    expected: Backup | None = None
    with closing(_lines(path)) as lines:
        for line in lines:
            if expected is not None:
                raise BackupError(f"{path} goes on after its end")
            if line.startswith(_MARK):
                expected = _parse_last_line(path, line)
            else:
                counter.take(line)
    if expected is None:
        raise BackupError(f"{path} has no last line of a backup: it is not whole, or none of `payments backup`")
    if expected.contents != counter.contents():
        raise BackupError(f"{path} does not hold what its last line says: it was changed")
    return expected


def text_of(path: Path) -> Iterator[bytes]:
    """Read the text of a file that is known to be whole, in pieces."""
    with gzip.open(path, "rb") as file:
        while piece := file.read(_READ_BYTES):
            yield piece


def _lines(path: Path) -> Generator[bytes, None, None]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BackupError(f"{path} is not whole: {error}") from None


def _parse_last_line(path: Path, line: bytes) -> Backup:
    try:
        value = cast("dict[str, dict[str, object]]", json.loads(line.removeprefix(_MARK)))
        return Backup(Origin(**value["origin"]), Contents(**value["contents"]))  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError):
        raise BackupError(f"{path} has a last line that cannot be read") from None
