"""The image, without a container engine: the tests run the steps of the Dockerfile in a folder."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from server.config.settings import Settings
from tests.deploy.sbom import make_sbom
from tests.support.ports import free_port
from tools.dev.devdb import PrivateDatabase
from tools.dev.generate import DOCUMENT, ROOT
from tools.operations.health_probe import DEFAULT_PORT

DOCKERFILE = Path("Dockerfile")
INSTALL_FOLDER = "/opt/payments"
"""The folder of the service in the image."""


Steps = list[tuple[str, str]]


def stages() -> list[Steps]:
    """Return the instructions of each stage, with their arguments."""
    result: list[Steps] = []
    for line in DOCKERFILE.read_text().replace("\\\n", " ").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            result.append([])
        if result and instruction and not instruction.startswith("#"):
            result[-1].append((instruction, " ".join(rest.split())))
    return result


def build_steps() -> Steps:
    """Return the instructions of the stage that installs the service: the second to last."""
    return stages()[-2]


def final_stage(instruction: str) -> str:
    """Return the arguments of the only instruction of that name in the last stage."""
    (rest,) = (rest for name, rest in stages()[-1] if name == instruction)
    return rest


def copied_paths() -> set[str]:
    """Return the files and whole folders that the build copies from the project."""
    sources = {Path(source) for name, rest in build_steps() if name == "COPY" for source in rest.split()[:-1]}
    return {str(source) for source in sources if sources.isdisjoint(source.parents)}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Run the steps of the build; return the folder that replaces ``INSTALL_FOLDER``, which the last stage copies."""
    folder = Path(tempfile.mkdtemp(prefix="payments-image-"))
    folder.chmod(0o755)
    build, installed = folder / "build", folder / "payments"
    build.mkdir()
    try:
        base = folder / "base"
        base.mkdir()
        (base / "python").symlink_to(interpreter())
        (base / "pip").symlink_to(Path(sys.executable).parent / "pip")
        inherited = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_CERT_"))}
        environment = {**inherited, "PATH": f"{base}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
        for instruction, rest in build_steps():
            if instruction == "COPY":
                *sources, target = rest.split()
                for source in sources:
                    copy(Path(source), build / target, into=target.endswith("/"))
            elif instruction == "ENV":
                environment |= dict(pair.split("=", 1) for pair in rest.split())
            elif instruction == "RUN":
                command = rest.replace(INSTALL_FOLDER, str(installed))
                step = subprocess.run(
                    ["sh", "-ec", command], cwd=build, env=environment, check=False, capture_output=True, text=True
                )
                assert step.returncode == 0, step.stderr
        yield installed
    finally:
        shutil.rmtree(folder)


def interpreter() -> Path:
    """Return a Python of this version that every user can run, if there is one."""
    own = Path(sys.executable).resolve()
    candidates = (own, Path(f"/usr/bin/python3.{sys.version_info.minor}"))
    return next((path for path in candidates if is_reachable(path)), own)


def is_reachable(path: Path) -> bool:
    return path.exists() and all(part.stat().st_mode & 0o001 for part in (path, *path.parents))


def copy(source: Path, target: Path, *, into: bool) -> None:
    """Copy as COPY does, without the files that .dockerignore excludes everywhere."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"), dirs_exist_ok=True)
    else:
        file = target / source.name if into else target
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, file)


@pytest.fixture(scope="module")
def database() -> Iterator[PrivateDatabase]:
    """A database that other users of this machine can reach too."""
    folder = Path(tempfile.mkdtemp(prefix="payments-image-db-"))
    with PrivateDatabase(folder / "db") as private:
        private.folder.chmod(0o755)
        folder.chmod(0o755)
        yield private
    shutil.rmtree(folder)


@pytest.fixture
def environment(image: Path, database: PrivateDatabase) -> dict[str, str]:
    """The environment of the container, with free ports of this machine."""
    values = dict(pair.split("=", 1) for pair in final_stage("ENV").split())
    values["PATH"] = values["PATH"].replace(INSTALL_FOLDER, str(image)).replace("$PATH", os.environ["PATH"])
    ports = {"GRPC_HOST": "127.0.0.1", "REST_HOST": "127.0.0.1"}
    return values | database.environment() | ports | {"GRPC_PORT": str(free_port()), "REST_PORT": str(free_port())}


def command_of(text: str, environment: Mapping[str, str]) -> list[str]:
    """Return the command of an exec form, with its program found on the PATH of the image."""
    program, *arguments = json.loads(text)
    found = shutil.which(program, path=environment["PATH"])
    assert found is not None
    return [found, *arguments]


def as_user() -> Mapping[str, int]:
    """Return the Popen arguments that run a process as the image's user, if this process may do that."""
    if os.geteuid() != 0 or not is_reachable(interpreter()):
        return {}
    user, group = final_stage("USER").split(":")
    return {"user": int(user), "group": int(group)}


@contextmanager
def entry_point(arguments: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the entry point with ``arguments`` while the context lasts."""
    entry = command_of(final_stage("ENTRYPOINT"), environment)
    process = subprocess.Popen(
        [*entry, *arguments],
        env=environment,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **as_user(),  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def health(environment: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Run the health check; return its exit code and output."""
    _, _, probe = final_stage("HEALTHCHECK").partition(" CMD ")
    run = subprocess.run(
        command_of(probe, environment),
        env=environment,
        check=False,
        cwd=folder,
        text=True,
        capture_output=True,
        **as_user(),  # type: ignore[call-overload]
    )
    return run.returncode, run.stdout


def test_the_installed_service_migrates_imports_serves_reports_its_health_and_stops(
    image: Path, environment: dict[str, str], database: PrivateDatabase
) -> None:
    assert final_stage("WORKDIR") == INSTALL_FOLDER
    with entry_point(["migrate"], environment, image) as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    sample = str(Path("data/sample.csv").resolve())
    import_sample = ["import", sample, "--rejects", "/tmp/none"]  # noqa: S108 - not created
    with entry_point(import_sample, environment, image) as process:
        output, _ = process.communicate(timeout=60)
        assert "400 lines: 400 inserted" in output
    with entry_point(import_sample, environment, image) as process:
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, "400 lines: 0 inserted" in output) == (0, True), output
    exit_code, text = health(environment, image)
    assert (exit_code, "does not report its health: UNAVAILABLE" in text) == (1, True)

    as_service = environment | database.service_environment()
    with entry_point(json.loads(final_stage("CMD")), as_service, image) as process:
        assert process.stdout is not None
        while "listening" not in (line := process.stdout.readline()):
            assert line, "the service ended"
        if user := as_user():
            assert Path(f"/proc/{process.pid}").stat().st_uid == user["user"]
        url = f"http://127.0.0.1:{environment['REST_PORT']}"
        assert httpx.get(f"{url}/v1/payments").json()["total"] == 400
        assert httpx.get(f"{url}/openapi.json").content == (ROOT / DOCUMENT).read_bytes()
        target = f"the server at 127.0.0.1:{environment['GRPC_PORT']}"
        assert health(environment, image) == (0, f"{target} is SERVING\n")
        database.kill()
        for _ in range(60):
            if health(environment, image) == (1, f"{target} is NOT_SERVING\n"):
                break
        else:
            pytest.fail("the health check did not notice the database outage")
        process.send_signal(signal.Signals[final_stage("STOPSIGNAL")])
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_the_image_contains_no_build_tools(image: Path) -> None:
    packages = {path.name.split("-")[0].lower() for path in image.glob("lib/python*/site-packages/*.dist-info")}

    assert {"payments_server", "payments_client", "grpcio"} <= packages
    assert packages.isdisjoint({"pip", "setuptools", "wheel", "hatchling", "grpcio_tools", "pytest", "pyarrow"})


def test_the_image_has_the_packages_of_the_package_list_and_the_project_itself(image: Path, tmp_path: Path) -> None:
    installed = {
        (re.sub(r"[-_.]+", "-", name).lower(), version)
        for path in image.glob("lib/python*/site-packages/*.dist-info")
        for name, version in [path.name.removesuffix(".dist-info").rsplit("-", 1)]
    }
    components = make_sbom(tmp_path / "image.cdx.json")["components"]
    listed = {(component["name"], component["version"]) for component in components}

    assert listed < installed
    assert {name for name, _ in installed - listed} == {"payments-server", "payments-client"}


def test_installed_modules_are_compiled_because_the_service_cannot_write_files(image: Path) -> None:
    (packages,) = image.glob("lib/python*/site-packages")

    for name in ("server", "payments_client", "starlette"):
        sources = {path.stem for path in (packages / name).glob("*.py")}
        compiled = {path.name.partition(".")[0] for path in (packages / name / "__pycache__").glob("*.pyc")}
        assert sources
        assert compiled == sources


def test_downloaded_packages_are_locked_and_are_wheels() -> None:
    commands = [command for name, rest in build_steps() if name == "RUN" for command in rest.split(" && ")]
    installing = [set(command.split()) for command in commands if " install " in command or " sync " in command]
    by_pip, *by_uv = [words for words in installing if "--no-index" not in words]

    assert {"--require-hashes", "--only-binary"} <= by_pip
    assert len(by_uv) == 2
    for words in by_uv:
        assert {"--locked", "--no-build"} <= words


def test_the_last_stage_adds_only_the_installed_service() -> None:
    steps = [(name, rest) for name, rest in stages()[-1] if name in {"ADD", "COPY", "RUN"}]

    assert steps == [("COPY", f"--from=build {INSTALL_FOLDER} {INSTALL_FOLDER}")]


def test_the_image_runs_as_a_numeric_user_other_than_root_on_a_base_pinned_by_digest() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", final_stage("USER"))
    base, *others = [stage[0][1] for stage in stages()]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64} AS base", base)
    assert others == ["base AS build", "base"]


def test_the_build_context_contains_only_the_files_that_the_build_copies() -> None:
    lines = [line for line in Path(".dockerignore").read_text().splitlines() if not line.startswith("#")]
    included = [line.removeprefix("!") for line in lines if line.startswith("!")]

    assert lines[0] == "*"
    assert sorted(copied_paths()) == included


def test_the_ports_of_the_image_and_of_the_health_check_are_those_of_the_service() -> None:
    ports = [Settings.model_fields[name].default for name in ("grpc_port", "rest_port")]

    assert final_stage("EXPOSE").split() == [str(port) for port in ports]
    assert str(ports[0]) == DEFAULT_PORT
