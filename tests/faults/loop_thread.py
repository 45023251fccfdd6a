"""Work in a thread with an event loop of its own, beside a test that blocks."""

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import Self


class LoopThread(ABC):
    """Runs ``work`` in a thread while the context lasts. A subclass stops it in ``__exit__``."""

    def __init__(self) -> None:
        """Prepare the thread; it does not run yet."""
        self.stopping = threading.Event()
        """Set when the work must end."""
        self.thread = threading.Thread(target=self._run, name=type(self).__name__)
        self.error: BaseException | None = None
        """The error that ended the work."""

    def __enter__(self) -> Self:
        """Start the work."""
        self.thread.start()
        return self

    @abstractmethod
    async def work(self) -> None:
        """Work until ``stopping`` is set."""

    def _run(self) -> None:
        try:
            asyncio.run(self.work())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that started this one
            self.error = error
