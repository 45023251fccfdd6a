"""Where files are kept in memory: those that are thrown away, so that nobody waits for a disk."""

import shutil
from pathlib import Path

_FOLDER = Path("/dev/shm")  # noqa: S108 - what is made in it is closed to other users, as in /tmp


def memory_folder(room_bytes: int) -> Path | None:
    """Return the folder for files in memory, or None where there is none or it has not so much room."""
    return _FOLDER if _FOLDER.is_dir() and shutil.disk_usage(_FOLDER).free > room_bytes else None
