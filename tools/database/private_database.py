"""The private database of development and tests: its place, and whether it runs. ``tools.dev.devdb`` starts it."""

import fcntl
import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FOLDER = ROOT / ".data" / "devdb"

DEFAULT_DATABASE = "ecommerce"
DEFAULT_USER = "payments"
DEFAULT_PASSWORD = "private"  # noqa: S105 - no secret: the socket is closed to other users
"""There is one so that a ``MYSQL_PASSWORD`` in ``.env``, meant for another database, does not lock the service out."""

_MAX_SOCKET_PATH_BYTES = 103
"""What fits everywhere: Linux takes 107, macOS 103."""


class PrivateDatabasePlace:
    """A folder that a private MariaDB server has all its files in.

    While the server lives it holds a lock on a file. So whether it runs is known for certain: after a ``kill -9`` the
    lock is gone, whatever files were left behind.
    """

    def __init__(self, folder: Path, *, database: str = DEFAULT_DATABASE, user: str = DEFAULT_USER) -> None:
        """Name the folder, the database in the server, and the account that has all rights on it."""
        self.folder = folder.absolute()
        self.database = database
        self.user = user

    @property
    def socket_path(self) -> Path:
        """Where the server listens: in the folder, or, where that path is too long for a socket, below ``/tmp``."""
        return self.socket_folder / "server.sock"

    @property
    def log_path(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make the tools use this database, with all rights on it."""
        return {
            "MYSQL_SOCKET": str(self.socket_path),
            "MYSQL_USER": self.user,
            "MYSQL_PASSWORD": DEFAULT_PASSWORD,
            "MYSQL_DB": self.database,
        }

    def is_running(self) -> bool:
        """Whether the server's process lives; it may still be starting."""
        if not self.life_path.exists():
            return False
        descriptor = os.open(self.life_path, os.O_RDWR)
        try:
            return not try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    @property
    def life_path(self) -> Path:
        """The file whose lock the server holds while it lives."""
        return self.folder / "server.lock"

    @property
    def socket_folder(self) -> Path:
        """Where the socket is."""
        if len(os.fsencode(self.folder / "server.sock")) <= _MAX_SOCKET_PATH_BYTES:
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        # Not tempfile.gettempdir(): with another TMPDIR in the next shell it would not be found again. What is there is
        # used only when it is ours and closed to others.
        return Path("/tmp") / f"payments-devdb-{os.geteuid()}-{digest}"  # noqa: S108


def try_lock(descriptor: int, kind: int) -> bool:
    """Lock an open file, unless another process has it locked; return whether it was locked."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
