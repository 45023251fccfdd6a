"""TiDB is built once, from the pinned modules."""

import os
from pathlib import Path

import pytest

from tools.database.private_database import ROOT
from tools.dev import tidb, unpacked_database
from tools.dev.database_program import ServerFiles, TidbProgram, program_in
from tools.dev.system_package import ProgramFailed

FAKE_GO = """\
#!/bin/sh
echo "$*" >> {calls}
case "$3 $4" in
    "mod download") echo '{{"Dir": "{source}"}}' ;;
    "mod edit") cp "$(dirname "$6")/tidb/{reader}" {calls}.reader ;;
    "build "*) while test "$1" != -o; do shift; done; mkdir -p "$(dirname "$2")" && touch "$2" ;;
esac
"""
REVERSE_SCAN = """\
\titer := r.getReverseIter()
\tr.txn.SetReadTS(startTS)
\tvar cnt int
\tfor iter.Seek(endKey); iter.Valid(); iter.Next() {
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace Go by a script, and return the file to which it writes its arguments."""
    calls = tmp_path / "calls"
    source, reader = tmp_path / "source", tidb._READER
    (source / reader).parent.mkdir(parents=True)
    (source / reader).write_text(REVERSE_SCAN, encoding="utf-8")
    (tmp_path / "go").write_text(FAKE_GO.format(calls=calls, source=source, reader=reader), encoding="utf-8")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(unpacked_database, "_FOLDER", tmp_path / "databases")
    return calls


def test_it_is_built_once_from_the_pinned_modules(calls: Path, tmp_path: Path) -> None:
    folder = tidb.built_programs()
    assert tidb.built_programs() == folder == tmp_path / "databases" / "tidb" / "bin"

    *_, build = calls.read_text(encoding="utf-8").splitlines()
    assert build.startswith(f"-C {ROOT / 'tools/go/tidb'} build -trimpath -modfile=")
    assert build.endswith("/bin/tidb-server github.com/pingcap/tidb/cmd/tidb-server")
    assert program_in(folder) == TidbProgram(folder / "tidb-server")
    assert [path.name for path in folder.parent.iterdir()] == ["bin"]


def test_a_reverse_scan_of_the_embedded_storage_sets_its_snapshot_before_it_opens_the_iterator(calls: Path) -> None:
    tidb.built_programs()

    set_snapshot, open_iterator, *_ = calls.with_name("calls.reader").read_text(encoding="utf-8").splitlines()
    assert (set_snapshot, open_iterator) == ("\tr.txn.SetReadTS(startTS)", "\titer := r.getReverseIter()")


@pytest.mark.usefixtures("calls")
def test_a_reverse_scan_that_has_changed_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "source" / tidb._READER).write_text("something else", encoding="utf-8")

    with pytest.raises(ProgramFailed, match="check whether it still has to be corrected"):
        tidb.built_programs()

    assert not list((tmp_path / "databases" / "tidb").iterdir())


def test_the_version_names_the_commit_of_the_pinned_module() -> None:
    module = (ROOT / "tools/go/tidb/go.mod").read_text(encoding="utf-8")
    commit = tidb.VERSION.rpartition("-g")[2]

    assert f"-{commit}\n" in module.replace(" // indirect", "")


def test_without_go_the_message_says_how_to_use_another_server(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(ProgramFailed, match=r"needs Go.*TEST_MYSQL_URL"):
        tidb.built_programs()

    assert not calls.exists()
    assert not (tmp_path / "databases").exists()


def test_it_listens_on_its_socket_only_unless_there_is_a_port(tmp_path: Path) -> None:
    files = ServerFiles(*(tmp_path / name for name in ("data", "socket", "id", "scratch", "log")))
    program = TidbProgram(tmp_path / "tidb-server")

    assert "-P=0" in program.command(files, None, ())
    assert "-P=4000" in program.command(files, 4000, ())
