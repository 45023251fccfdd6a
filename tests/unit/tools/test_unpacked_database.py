"""Another database server is unpacked from Debian's packages, without installing them."""

import os
import subprocess
from pathlib import Path

import pytest

from tools.dev import database_program, selected_database, unpacked_database
from tools.dev.database_program import PrivateDatabaseError, find_or_install_program
from tools.dev.system_package import ProgramFailed
from tools.dev.unpacked_database import unpacked_programs

FAKE_APT = """\
#!/bin/sh
for argument in "$@"; do
    case $argument in --option=Dir=*) root=${{argument#--option=Dir=}};; esac
done
echo "$*" | sed "s|$root|ROOT|g" >> {calls}
cp {calls} "$root/var/cache/apt/archives/server.deb"
"""

FAKE_DPKG = """\
#!/bin/sh
mkdir -p "$3/usr/lib64" "$3/usr/lib/x86_64-linux-gnu"
printf '#!/bin/sh\\nshift 2; echo "$@"\\n' > "$3/usr/lib64/ld-linux-x86-64.so.2"
chmod +x "$3/usr/lib64/ld-linux-x86-64.so.2"
"""


def _write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace apt and dpkg by scripts, and return the folder of the unpacked servers, whose path has a space."""
    _write_program(tmp_path / "apt-get", FAKE_APT.format(calls=tmp_path / "calls"))
    _write_program(tmp_path / "dpkg-deb", FAKE_DPKG)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    monkeypatch.setattr(unpacked_database, "_KEYRING", keyring)
    folder = tmp_path / "unpacked servers"
    monkeypatch.setattr(unpacked_database, "_FOLDER", folder)
    return folder


def test_the_packages_are_downloaded_by_an_apt_with_files_of_its_own_and_nothing_is_installed(
    folder: Path, tmp_path: Path
) -> None:
    assert unpacked_programs("mysql") == folder / "mysql" / "bin"

    options = "--quiet --option=Dir=ROOT --option=Dir::State::status=ROOT/status --option=APT::Sandbox::User=root"
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"{options} update",
        f"{options} install --yes --no-install-recommends --download-only mysql-server-core mysql-client-core",
    ]
    assert [path.name for path in folder.iterdir()] == ["mysql"]


def test_the_programs_run_with_their_own_libraries_and_files(folder: Path) -> None:
    programs = unpacked_programs("mysql")

    def run(name: str) -> str:
        return subprocess.run([programs / name, "--first"], capture_output=True, text=True, check=True).stdout

    usr = folder / "mysql" / "usr"
    assert run("mysqldump") == f"{usr}/bin/mysqldump --first\n"
    assert run("mysqld").startswith(f"{usr}/sbin/mysqld --first --basedir={usr} --plugin-dir={usr}/lib/mysql/plugin ")


def test_a_server_is_unpacked_once(folder: Path, tmp_path: Path) -> None:
    unpacked_programs("mysql")
    (tmp_path / "calls").unlink()

    unpacked_programs("mysql")

    assert not (tmp_path / "calls").exists()
    assert folder.exists()


def test_a_failed_download_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    _write_program(tmp_path / "apt-get", "#!/bin/sh\necho 'Unable to fetch some archives' >&2\nexit 100\n")

    with pytest.raises(ProgramFailed, match=r"(?s)exit code 100.*Unable to fetch"):
        unpacked_programs("mysql")

    assert list(folder.iterdir()) == []


def test_without_apt_the_message_says_how_to_use_another_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(ProgramFailed, match=r"mariadbd from Debian trixie, .* needs apt.*TEST_MYSQL_URL"):
        unpacked_programs("mariadb11")

    assert not folder.exists()


def test_an_unknown_name_is_rejected_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selected_database, "SELECTED_DATABASE", "oracle")

    with pytest.raises(PrivateDatabaseError, match="DATABASE=oracle is none of mysql, mariadb11, galera, tidb"):
        find_or_install_program()


def test_the_selected_server_is_used_even_if_another_one_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_program(tmp_path / "mysqld", "#!/bin/sh\necho 'mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))'\n")
    monkeypatch.setattr(database_program, "selected_programs", lambda: tmp_path)

    assert find_or_install_program().path == tmp_path / "mysqld"
