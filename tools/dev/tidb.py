"""Build TiDB's server from its Go modules into a folder of the project, because Debian has no packages of it.

``tools/go/tidb`` pins the modules. The server has an embedded storage (``unistore``), so that it needs no cluster.
"""

import shutil
from pathlib import Path

from tools.database.private_database import ROOT
from tools.dev.system_package import ProgramFailed, run
from tools.dev.unpacked_database import new_folder, programs_folder

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
    if shutil.which("go") is None:
        msg = (
            "To build TiDB, this system needs Go 1.26 or later. Without it, start the server yourself, and set "
            "TEST_MYSQL_URL=mysql://user:password@host:port"
        )
        raise ProgramFailed(msg)
    print(f"Building {SERVER} into {folder}, which takes about ten minutes ...", flush=True)
    with new_folder(folder) as unfinished:
        version = f"-X github.com/pingcap/tidb/pkg/parser/mysql.TiDBReleaseVersion={VERSION}"
        build = ["go", "build", "-C", str(_MODULE), "-trimpath", "-ldflags", version]
        run([*build, "-o", str(unfinished / SERVER), _PACKAGE], timeout_seconds=_BUILD_TIMEOUT_SECONDS)
