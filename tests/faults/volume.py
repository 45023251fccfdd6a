"""A volume that a test can fill: an in-memory file system that can be resized while it is in use."""

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

_SIZE_BYTES = 4 << 30
"""The normal size. A tmpfs uses memory only for the data in it."""


class Volume:
    """A tmpfs on ``folder`` within the context, or the plain folder where mounting is not allowed."""

    def __init__(self, folder: Path) -> None:
        """Set the folder, without mounting anything."""
        self._folder = folder
        self.unavailable_reason = ""
        """Why nothing is mounted, or empty if the volume is mounted."""

    def __enter__(self) -> Self:
        """Mount the volume if that is allowed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_BYTES},mode=0700", "tmpfs", str(self._folder)]
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            self.unavailable_reason = f"no tmpfs can be mounted here: {error}"
        except subprocess.CalledProcessError as error:
            self.unavailable_reason = f"no tmpfs can be mounted here: {error.stderr.strip()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unmount the volume."""
        if not self.unavailable_reason:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True)

    def fill(self) -> None:
        """Shrink the volume to its current content, so that nothing can be added."""
        while not self._try_resize(self._used_bytes()):
            pass  # data was written after the measurement, and the volume cannot become smaller than its content

    def restore_size(self) -> None:
        """Restore the normal size."""
        self._resize(_SIZE_BYTES)

    def _used_bytes(self) -> int:
        state = os.statvfs(self._folder)
        return (state.f_blocks - state.f_bfree) * state.f_frsize

    def _try_resize(self, size_bytes: int) -> bool:
        try:
            self._resize(size_bytes)
        except subprocess.CalledProcessError:
            return False
        return True

    def _resize(self, size_bytes: int) -> None:
        command = ["mount", "-o", f"remount,size={size_bytes}", str(self._folder)]
        subprocess.run(command, check=True, capture_output=True)
