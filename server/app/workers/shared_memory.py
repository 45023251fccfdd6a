"""A file that all workers map into memory, and the parts of it.

Each worker writes only to its own area of each part, and reads those of all. So no lock is needed: a lock would let a
worker that is suspended while it holds it stop all the others, and a worker that is killed could leave the memory in
disorder. The areas of a worker that ends stay, for the worker that replaces it.
"""

import mmap
import os
import secrets
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

_SECRET_BYTES = 16
_PAGE_BYTES = mmap.PAGESIZE
_HASH_BYTES = 8

CALLS, FAILED_AUTHENTICATIONS = "calls", "failed_authentications"
RATE_PARTS = (CALLS, FAILED_AUTHENTICATIONS)
RATE_GROUPS = 2048
RATE_SLOTS = 8
"""The slots of a group: see ``shared_rates``."""

WATCHES, HEALTH, REFLECTION = "watches", "health", "reflection"
STREAM_PARTS = (WATCHES, HEALTH, REFLECTION)
STREAM_ROWS = 2
STREAM_COLUMNS = 1 << 16
"""The counts of an area: see ``shared_streams``."""

_RATE_AREA_BYTES = RATE_GROUPS * RATE_SLOTS * 2 * 8
_STREAM_AREA_BYTES = STREAM_ROWS * STREAM_COLUMNS * 4 + _PAGE_BYTES


class SharedMemory:
    """The mapped file."""

    def __init__(self, path: Path, workers: int) -> None:
        """Map the file that ``create`` has written for ``workers``."""
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._memory = memoryview(self._map)
        self._secret = bytes(self._memory[:_SECRET_BYTES])
        self._workers = workers
        self._offsets = _offsets(workers)

    @staticmethod
    def create(path: Path, workers: int) -> "SharedMemory":
        """Write an empty file, which only this user can read, and map it. It uses memory only as far as it is used."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, secrets.token_bytes(_SECRET_BYTES))
            os.truncate(file, _end(workers))
        finally:
            os.close(file)
        return SharedMemory(path, workers)

    def areas(self, part: str) -> list[memoryview]:
        """Return the areas of the workers in a part; the first one is that of worker 1."""
        size = _area_bytes(part)
        start = self._offsets[part]
        return [self._memory[start + size * number : start + size * (number + 1)] for number in range(self._workers)]

    def hash(self, name: str) -> int:
        """Return a positive number of 63 bits for a name, which nobody outside can predict or choose."""
        digest = blake2b(name.encode(errors="surrogatepass"), digest_size=_HASH_BYTES, key=self._secret).digest()
        return int.from_bytes(digest) >> 1 or 1

    def forget_streams(self, worker: int) -> None:
        """Count no more streams of a worker that has ended. Its rates are kept, because they belong to callers."""
        for part in STREAM_PARTS:
            start = self._offsets[part] + (worker - 1) * _STREAM_AREA_BYTES
            self._memory[start : start + _STREAM_AREA_BYTES] = bytes(_STREAM_AREA_BYTES)


def _area_bytes(part: str) -> int:
    return _RATE_AREA_BYTES if part in RATE_PARTS else _STREAM_AREA_BYTES


def _offsets(workers: int) -> Mapping[str, int]:
    offsets = {}
    end = _PAGE_BYTES
    for part in (*RATE_PARTS, *STREAM_PARTS):
        offsets[part] = end
        end += _area_bytes(part) * workers
    return offsets


def _end(workers: int) -> int:
    return _PAGE_BYTES + workers * sum(map(_area_bytes, (*RATE_PARTS, *STREAM_PARTS)))
