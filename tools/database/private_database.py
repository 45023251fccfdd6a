"""Locate the private database for development and tests, and check whether it runs. ``tools.dev.devdb`` starts it."""

import fcntl
import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SELECTED_DATABASE = os.environ.get("DATABASE", "")
"""The server to use in place of the installed one, such as ``mysql``; ``tools.dev.selected_database`` has the names."""

PROJECT_FOLDER = ROOT / ".data" / "-".join(filter(None, ["devdb", SELECTED_DATABASE]))
"""The project's own database; each server has its own folder, because none can read the files of another."""

DEFAULT_DATABASE = "ecommerce"
DEFAULT_USER = "payments"
DEFAULT_PASSWORD = "private"  # noqa: S105 - not a secret: other users cannot reach the socket
"""Set explicitly, so that a ``MYSQL_PASSWORD`` in ``.env`` for another database does not lock the service out."""

_MAX_SOCKET_PATH_BYTES = 103
"""The lowest limit of the supported systems: Linux allows 107 bytes, macOS 103."""


class PrivateDatabaseLocation:
    """A folder with all the files of a private database server.

    While the server runs, it holds a lock on a file. The lock reliably tells whether the server is running, because
    ``kill -9`` releases it too, although it leaves other files behind.
    """

    def __init__(self, folder: Path, *, database: str = DEFAULT_DATABASE, user: str = DEFAULT_USER) -> None:
        """Set the folder, the name of the database, and the account that has all privileges on it."""
        self.folder = folder.absolute()
        self.database = database
        self.user = user

    @property
    def socket_path(self) -> Path:
        """The server's socket: in the folder, or below ``/tmp`` if that path is too long for a socket."""
        return self.socket_folder / "server.sock"

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self.folder / "server.log"

    def environment(self) -> dict[str, str]:
        """Return environment variables that point the tools at this database, with all privileges on it."""
        return {
            "MYSQL_SOCKET": str(self.socket_path),
            "MYSQL_USER": self.user,
            "MYSQL_PASSWORD": DEFAULT_PASSWORD,
            "MYSQL_DB": self.database,
        }

    def is_running(self) -> bool:
        """Whether the server process exists; it may still be starting."""
        if not self.server_lock_path.exists():
            return False
        descriptor = os.open(self.server_lock_path, os.O_RDWR)
        try:
            return not try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    @property
    def server_lock_path(self) -> Path:
        """The file that the server keeps locked while it runs."""
        return self.folder / "server.lock"

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket."""
        if len(os.fsencode(self.folder / "server.sock")) <= _MAX_SOCKET_PATH_BYTES:
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        # Not tempfile.gettempdir(), because a shell with another TMPDIR would not find it. The folder is used only if
        # this user owns it and no other user can enter it.
        return Path("/tmp") / f"payments-devdb-{os.geteuid()}-{digest}"  # noqa: S108


def try_lock(descriptor: int, kind: int) -> bool:
    """Lock an open file unless another process holds the lock; return whether it was acquired."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
