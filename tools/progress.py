"""The progress of a long run on standard error: a bar on a terminal, and plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Meter(Protocol):
    """Shows the progress of a run."""

    def show(self, rows: int, done: int) -> None:
        """Show how many rows are done, and how much of the whole."""

    def say(self, line: str) -> None:
        """Print a line."""


@contextmanager
def meter(name: str, whole: int | None, *, line_interval_seconds: float = 5.0) -> Iterator[Meter]:
    """Show the progress of ``name`` until the end of the context. ``whole`` is the total, if it is known.

    ``line_interval_seconds`` is the least time between two plain lines.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(name, whole, line_interval_seconds)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[rows_per_second]:,.0f} rows/s"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, name, whole)


class _Bar:
    def __init__(self, progress: Progress, name: str, whole: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=whole, rows=0, rows_per_second=0.0)
        self._begin = time.monotonic()

    def show(self, rows: int, done: int) -> None:
        rows_per_second = rows / max(time.monotonic() - self._begin, 1e-3)
        self._progress.update(self._task, completed=done, rows=rows, rows_per_second=rows_per_second)

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)


class _Lines:
    def __init__(self, name: str, whole: int | None, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._name = name
        self._whole = whole
        self._begin = self._last = time.monotonic()

    def show(self, rows: int, done: int) -> None:
        now = time.monotonic()
        if now - self._last < self._interval_seconds:
            return
        self._last = now
        parts = [f"{rows:,} rows", f"{rows / (now - self._begin):,.0f} rows/s"]
        if self._whole and done:
            left_seconds = (now - self._begin) * (self._whole - done) / done
            parts += [f"{done / self._whole:.0%}", f"about {left_seconds:,.0f} s left"]
        self.say(f"{self._name}: {', '.join(parts)}")

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
