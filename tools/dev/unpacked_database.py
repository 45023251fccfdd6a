"""Unpack another database server, with its clients, from Debian's packages into a folder of the project.

Nothing is installed. ``tools.dev.selected_database`` selects one for the private database.
"""

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.database.private_database import ROOT
from tools.dev.system_package import ProgramFailed, has_apt, run

_FOLDER = ROOT / ".cache" / "databases"
_MIRROR = "http://deb.debian.org/debian"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_APT_TIMEOUT_SECONDS = 600
_EXTRACT_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Release:
    """A database server and its clients: packages of one of Debian's suites, and the programs in them."""

    suite: str
    packages: tuple[str, ...]
    server: str
    clients: tuple[str, ...]
    messages: str
    """The folder of the server's error messages and character sets, relative to ``/usr``."""


RELEASES = {
    "mysql": Release(
        suite="sid",
        packages=("mysql-server-core", "mysql-client-core"),
        server="mysqld",
        clients=("mysql", "mysqldump", "mysqlbinlog"),
        messages="share/mysql",
    ),
    "mariadb11": Release(
        suite="trixie",
        packages=("mariadb-server-core", "mariadb-client"),
        server="mariadbd",
        clients=("mariadb", "mariadb-dump", "mariadb-binlog"),
        messages="share/mariadb",
    ),
    "galera": Release(
        suite="trixie",
        packages=("mariadb-server-core", "mariadb-client", "galera-4"),
        server="mariadbd",
        clients=("mariadb", "mariadb-dump", "mariadb-binlog"),
        messages="share/mariadb",
    ),
}
"""The releases by their names in ``DATABASE``. ``sid`` always has the newest MySQL in Debian."""


def programs_folder(name: str) -> Path:
    """Return the folder in which a database's programs are, once it is unpacked or built."""
    return _FOLDER / name / "bin"


def unpacked_programs(name: str) -> Path:
    """Return the folder of a release's programs; unpack them first if necessary.

    Raises:
        ProgramFailed: it cannot be unpacked; the message says what to do.
    """
    folder = programs_folder(name)
    if not folder.exists():
        _unpack(RELEASES[name], folder.parent)
    return folder


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield the path of a temporary folder, and rename it to ``folder`` at the end, which is thus never incomplete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / folder.name
        yield unfinished
        try:
            unfinished.rename(folder)
        except OSError:
            # Another process may have made the same folder in the meantime.
            if not folder.exists():
                raise


def _unpack(release: Release, folder: Path) -> None:
    if not has_apt() or not _KEYRING.exists():
        msg = (
            f"To unpack {release.server} from Debian {release.suite}, this system needs apt and {_KEYRING} (package "
            "debian-archive-keyring of Debian and Ubuntu). On other systems, start the server yourself, and set "
            "TEST_MYSQL_URL=mysql://user:password@host:port"
        )
        raise ProgramFailed(msg)
    print(f"Unpacking {release.server} from Debian {release.suite} into {folder} ...", flush=True)
    with new_folder(folder) as unfinished, tempfile.TemporaryDirectory(dir=folder.parent) as apt_root:
        for package in _download(release, Path(apt_root)):
            run(["dpkg-deb", "--extract", str(package), str(unfinished)], timeout_seconds=_EXTRACT_TIMEOUT_SECONDS)
        _write_launchers(release, unfinished, folder)


def _download(release: Release, root: Path) -> list[Path]:
    """Download the packages and all their dependencies, with an apt that keeps all its files below ``root``.

    It believes that no package is installed. So even the C library comes from the suite of the server.
    """
    for name in ("etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / name).mkdir(parents=True)
    status = root / "status"
    status.touch()
    source = f"deb [signed-by={_KEYRING}] {_MIRROR} {release.suite} main\n"
    (root / "etc/apt/sources.list").write_text(source, encoding="ascii")
    # Not as the user _apt, who may not write below the root.
    options = {"Dir": root, "Dir::State::status": status, "APT::Sandbox::User": "root"}
    apt = ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in options.items())]
    install = ["install", "--yes", "--no-install-recommends", "--download-only", *release.packages]
    for arguments in (["update"], install):
        run([*apt, *arguments], timeout_seconds=_APT_TIMEOUT_SECONDS)
    return sorted((root / "var/cache/apt/archives").glob("*.deb"))


def _write_launchers(release: Release, files: Path, folder: Path) -> None:
    """Write the scripts in ``bin``, which run the programs with their own libraries once ``files`` is ``folder``."""
    loader = _only(files, "usr/lib*/ld-linux*.so.*")
    libraries = _only(files, "usr/lib/*-linux-gnu")
    usr = folder / "usr"
    # They replace the paths that are compiled into the server.
    server_options = [
        f"--basedir={usr}",
        f"--plugin-dir={usr}/lib/mysql/plugin",
        f"--lc-messages-dir={usr}/{release.messages}",
        f"--character-sets-dir={usr}/{release.messages}/charsets",
        "--secure-file-priv=",
    ]
    programs = {f"usr/bin/{client}": list[str]() for client in release.clients}
    programs[f"usr/sbin/{release.server}"] = server_options
    (files / "bin").mkdir()
    for program, options in programs.items():
        command = shlex.join([str(folder / loader), "--library-path", str(folder / libraries), str(folder / program)])
        launcher = files / "bin" / Path(program).name
        # Options follow the arguments, because an option such as --no-defaults must be the first.
        launcher.write_text(f'#!/bin/sh\nexec {command} "$@" {shlex.join(options)}\n', encoding="utf-8")
        launcher.chmod(0o755)


def _only(folder: Path, pattern: str) -> Path:
    """Return the path, relative to ``folder``, of the only file that matches the pattern."""
    (path,) = folder.glob(pattern)
    return path.relative_to(folder)
