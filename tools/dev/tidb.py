"""Build TiDB's server from its Go modules into a folder of the project, because Debian has no packages of it.

``tools/go/tidb`` pins the modules. The server has an embedded storage (``unistore``), so that it needs no cluster.
"""

import shutil
import tempfile
from pathlib import Path

from tools.database.private_database import ROOT
from tools.dev.system_package import ProgramFailed, run
from tools.dev.unpacked_database import programs_folder

NAME = "tidb"
"""The name in ``DATABASE``."""

SERVER = "tidb-server"
_PACKAGE = f"github.com/pingcap/tidb/cmd/{SERVER}"
_MODULE = ROOT / "tools" / "go" / "tidb"
VERSION = "v8.5.0-alpha-gec8b81b98edc"
"""The version that the server reports. The pinned commit follows the branch of 8.5, and has no tag of its own."""

_BUILD_TIMEOUT_SECONDS = 3600


def built_programs() -> Path:
    """Return the folder of the server program; build it first if necessary.

    Raises:
        ProgramFailed: it cannot be built; the message says what to do.
    """
    folder = programs_folder(NAME)
    if not folder.exists():
        _build(folder)
    return folder


def _build(folder: Path) -> None:
    """Build the server in a temporary folder and then rename it, so that incomplete files are never used."""
    if shutil.which("go") is None:
        msg = (
            "To build TiDB, this system needs Go 1.26 or later. Without it, start the server yourself, and set "
            "TEST_MYSQL_URL=mysql://user:password@host:port"
        )
        raise ProgramFailed(msg)
    print(f"Building {SERVER} into {folder}, which takes about ten minutes ...", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / "bin"
        version = f"-X github.com/pingcap/tidb/pkg/parser/mysql.TiDBReleaseVersion={VERSION}"
        build = ["go", "build", "-C", str(_MODULE), "-trimpath", "-ldflags", version]
        run([*build, "-o", str(unfinished / SERVER), _PACKAGE], timeout_seconds=_BUILD_TIMEOUT_SECONDS)
        try:
            unfinished.rename(folder)
        except OSError:
            # Another process may have built it in the meantime.
            if not folder.exists():
                raise
