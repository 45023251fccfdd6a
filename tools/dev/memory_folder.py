"""A folder in memory for temporary files, which is faster than one on a disk."""

import shutil
from pathlib import Path

_FOLDER = Path("/dev/shm")  # noqa: S108 - callers create folders in it that are closed to other users, as in /tmp


def memory_folder(needed_bytes: int) -> Path | None:
    """Return the folder in memory, or None if there is none or it has less free space than needed."""
    return _FOLDER if _FOLDER.is_dir() and shutil.disk_usage(_FOLDER).free > needed_bytes else None
