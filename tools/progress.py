"""Display the progress of a long run on standard error: as a bar on a terminal, otherwise as plain lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn


class ProgressDisplay(Protocol):
    """Displays the progress of a run."""

    def update(self, rows: int, completed: int) -> None:
        """Display the number of rows processed, and ``completed`` out of the total, in the unit of the total."""

    def print_line(self, line: str) -> None:
        """Print a line without disturbing the display."""


@contextmanager
def show_progress(name: str, total: int | None, *, line_interval_seconds: float = 5.0) -> Iterator[ProgressDisplay]:
    """Display the progress of ``name`` until the context ends. ``total`` is None if it is unknown.

    ``line_interval_seconds`` is the minimum time between two plain lines.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(name, total, line_interval_seconds)
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
        yield _Bar(progress, name, total)


class _Bar:
    def __init__(self, progress: Progress, name: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=total, rows=0, rows_per_second=0.0)
        self._start = time.monotonic()

    def update(self, rows: int, completed: int) -> None:
        rows_per_second = rows / max(time.monotonic() - self._start, 1e-3)
        self._progress.update(self._task, completed=completed, rows=rows, rows_per_second=rows_per_second)

    def print_line(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)


class _Lines:
    def __init__(self, name: str, total: int | None, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._name = name
        self._total = total
        self._start = self._last_line_time = time.monotonic()

    def update(self, rows: int, completed: int) -> None:
        now = time.monotonic()
        if now - self._last_line_time < self._interval_seconds:
            return
        self._last_line_time = now
        parts = [f"{rows:,} rows", f"{rows / (now - self._start):,.0f} rows/s"]
        if self._total and completed:
            left_seconds = (now - self._start) * (self._total - completed) / completed
            parts += [f"{completed / self._total:.0%}", f"about {left_seconds:,.0f} s left"]
        self.print_line(f"{self._name}: {', '.join(parts)}")

    def print_line(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
