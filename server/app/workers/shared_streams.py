"""The numbers of open streams (``stream_limit.StreamCounts``), shared by all workers.

An area has the total of its worker, and rows of counts, one of them for each hash of a caller. Callers whose hashes are
equal share a count, so a count may be too high. The lowest of a caller's counts, one in each row, is too high only if
others share all of them, which is very rare, and it never is too low (a count-min sketch). So the memory is bounded,
and nothing has to be dropped.
"""

from server.app.workers.shared_memory import STREAM_COLUMNS, STREAM_ROWS, SharedMemory

_TOTAL = 0


class SharedStreamCounts:
    """The numbers of one kind of streams, as one worker counts them."""

    def __init__(self, memory: SharedMemory, part: str, worker: int) -> None:
        """Count the streams of ``worker``, counted from 1."""
        self._hash = memory.hash
        self._areas = [area.cast("i") for area in memory.areas(part)]
        self._own = self._areas[worker - 1]

    def add(self, caller: str, change: int) -> tuple[int, int]:
        """Count streams of ``caller`` that were opened (1) or closed (-1): see ``StreamCounts``."""
        cells = self._cells(caller)
        for cell in (_TOTAL, *cells):
            self._own[cell] += change
        return self._sum(_TOTAL), min(map(self._sum, cells))

    def _sum(self, cell: int) -> int:
        return sum(area[cell] for area in self._areas)

    def _cells(self, caller: str) -> list[int]:
        hashed = self._hash(caller)
        return [
            1 + row * STREAM_COLUMNS + (hashed // STREAM_COLUMNS**row) % STREAM_COLUMNS for row in range(STREAM_ROWS)
        ]
