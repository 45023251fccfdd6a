"""The folder of one Envoy: its configuration, the socket of its administration, and descriptions of the TLS files."""

import shutil
import socket
import tempfile
import time
from pathlib import Path

_PREFIX = "payments-envoy-"

_MIN_AGE_SECONDS = 3600
"""How old a folder must be to count as abandoned. An Envoy that is starting does not listen yet."""


def new_folder() -> Path:
    """Return a new folder that only this user can use, and remove those that killed processes left."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    for other in folder.parent.glob(f"{_PREFIX}*"):
        if _is_abandoned(other):
            shutil.rmtree(other, ignore_errors=True)
    return folder


def admin_socket(folder: Path) -> Path:
    """Return the administration socket in an Envoy's folder."""
    return folder / "admin.sock"


def _is_abandoned(folder: Path) -> bool:
    """Return whether the Envoy of this folder has ended. The folder of another user never counts as abandoned."""
    try:
        if time.time() - folder.stat().st_mtime < _MIN_AGE_SECONDS:
            return False
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(admin_socket(folder)))
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False
