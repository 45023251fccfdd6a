"""Build TiDB's server from its Go modules into a folder of the project, because Debian has no packages of it.

``tools/go/tidb`` pins the modules. The server has an embedded storage (``unistore``), so that it needs no cluster.
"""

import json
import shutil
import tempfile
from pathlib import Path

from tools.database.private_database import ROOT
from tools.dev.system_package import ProgramFailed, run
from tools.dev.unpacked_database import new_folder, programs_folder

NAME = "tidb"
"""The name in ``DATABASE``."""

SERVER = "tidb-server"
_TIDB = "github.com/pingcap/tidb"
_MODULE = ROOT / "tools" / "go" / "tidb"
VERSION = "v8.5.0-alpha-gec8b81b98edc"
"""The version that the server reports. The pinned commit follows the branch of 8.5, and has no tag of its own."""

_READER = Path("pkg", "store", "mockstore", "unistore", "tikv", "dbreader", "db_reader.go")
"""The source file of the embedded storage whose ``ReverseScan`` is corrected."""

_OPEN_ITERATOR = "\titer := r.getReverseIter()\n"
_FIRST_SCANNED = "\tvar cnt int\n\tfor iter.Seek(endKey);"

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
    with tempfile.TemporaryDirectory() as scratch, new_folder(folder) as unfinished:
        version = f"-X {_TIDB}/pkg/parser/mysql.TiDBReleaseVersion={VERSION}"
        options = ["-trimpath", f"-modfile={_corrected_module(Path(scratch))}", "-ldflags", version]
        _go("build", *options, "-o", str(unfinished / SERVER), f"{_TIDB}/cmd/{SERVER}")


def _corrected_module(folder: Path) -> Path:
    """Correct a copy of TiDB's sources in ``folder``, and return a go.mod that uses it.

    The reverse scans of the embedded storage open their iterator before they set the time of the snapshot, so they also
    return what was committed later. Then TiDB finds no row for an index entry, and fails to list the newest payments
    (error 8133). TiKV, the storage of a cluster, is another program.
    """
    source = Path(json.loads(_go("mod", "download", "-json", _TIDB))["Dir"])
    copy = folder / "tidb"
    # Without the files' modes, because Go's are read-only.
    shutil.copytree(source, copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("*_test.go"))
    text = (copy / _READER).read_text(encoding="utf-8")
    if (text.count(_OPEN_ITERATOR), text.count(_FIRST_SCANNED)) != (1, 1):
        msg = f"ReverseScan in {_READER} has changed, so check whether it still has to be corrected"
        raise ProgramFailed(msg)
    text = text.replace(_OPEN_ITERATOR, "").replace(_FIRST_SCANNED, _OPEN_ITERATOR + _FIRST_SCANNED)
    (copy / _READER).write_text(text, encoding="utf-8")
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(_MODULE / name, folder / name)
    _go("mod", "edit", f"-replace={_TIDB}={copy}", str(folder / "go.mod"))
    return folder / "go.mod"


def _go(*arguments: str) -> str:
    return run(["go", "-C", str(_MODULE), *arguments], timeout_seconds=_BUILD_TIMEOUT_SECONDS)
