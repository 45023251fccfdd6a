"""Generate the code that comes from the protos, or check that what is committed is what they give.

``python -m tools.dev.generate`` writes the code of every client (by ``buf.gen.yaml`` and, for TypeScript, one more of
that name), each proto of ours as a FileDescriptorSet with its comments, which the Python modules lack, and each
client's copy of ``clients/service_config.json``. ``--check`` writes nothing, lists what differs, and exits 1 if
anything does. ``--imports`` only lays the imported ``google/*`` protos, from the installed
``googleapis-common-protos``, where buf.yaml looks for them. None needs the network.
"""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.rpc import status_pb2

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "proto"
CLIENTS = ROOT / "clients"
SERVICE_CONFIG = CLIENTS / "service_config.json"
TEMPLATES = (ROOT / "buf.gen.yaml", CLIENTS / "typescript" / "buf.gen.yaml")
INSTALLED_GOOGLE = Path(status_pb2.__file__).parents[1]
GOOGLEAPIS = ROOT / ".cache" / "googleapis"
GENERATED_PATTERNS = (
    "python/src/**/*_pb2.py",
    "python/src/**/*_pb2.pyi",
    "python/src/**/*_pb2_grpc.py",
    "python/src/**/*_pb2_grpc.pyi",
    "python/src/**/*.binpb",
    "python/src/payments/service_config.json",
    "go/**/*.pb.go",
    "go/service_config.json",
    "java/client/src/generated/java/**/*.java",
    "java/client/src/main/resources/payments/service_config.json",
    "typescript/src/generated/**/*.ts",
)
"""What is generated, below ``clients``."""


def copy_googleapis(destination: Path) -> None:
    """Copy the protos of ``googleapis-common-protos`` to ``destination``, where buf.yaml looks for them."""
    shutil.rmtree(destination, ignore_errors=True)
    for proto in sorted(INSTALLED_GOOGLE.rglob("*.proto")):
        target = destination / "google" / proto.relative_to(INSTALLED_GOOGLE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(proto, target)


def generate(clients: Path) -> None:
    """Generate everything into the folder ``clients``, which has the layout of ours.

    Raises:
        SystemExit: a generator found an error, or is missing; what it was is printed.
    """
    for template in TEMPLATES:
        buf("generate", f"--template={template}", f"--output={clients}")
    for proto in sorted(PROTOS.rglob("*.proto")):
        path = proto.relative_to(PROTOS)
        descriptor_set = clients / "python" / "src" / path.with_suffix(".binpb")
        buf("build", f"--path={proto}", "--exclude-imports", "--as-file-descriptor-set", f"--output={descriptor_set}")
    config = SERVICE_CONFIG.read_text("utf-8")
    for copy, text in {
        "python/src/payments/service_config.json": config,
        "go/service_config.json": config,
        "java/client/src/main/resources/payments/service_config.json": config,
        "typescript/src/generated/service_config.ts": (
            f"// Generated from clients/service_config.json. DO NOT EDIT.\n\nexport default {config.rstrip()};\n"
        ),
    }.items():
        path = clients / copy
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def buf(*arguments: str) -> None:
    """Run buf on the project.

    Raises:
        SystemExit: it found an error; it has printed which.
    """
    ran = subprocess.run([Path(sys.executable).parent / "buf", *arguments], cwd=ROOT, check=False)
    if ran.returncode:
        sys.exit(ran.returncode)


def generated_files(clients: Path) -> Iterator[Path]:
    """Yield the generated files below ``clients``, relative to it."""
    for pattern in GENERATED_PATTERNS:
        for path in clients.glob(pattern):
            yield path.relative_to(clients)


def differences(committed: Path, fresh: Path) -> list[str]:
    """Return a line for each file that is missing, left over or different in ``committed``."""
    there, expected = set(generated_files(committed)), set(generated_files(fresh))
    return [
        *(f"missing: {path}" for path in sorted(expected - there)),
        *(f"left over: {path}" for path in sorted(there - expected)),
        *(
            f"differs: {path}"
            for path in sorted(there & expected)
            if not filecmp.cmp(committed / path, fresh / path, shallow=False)
        ),
    ]


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is committed is stale")
    parser.add_argument("--imports", action="store_true", help="only lay the imported protos where buf looks for them")
    arguments = parser.parse_args()
    copy_googleapis(GOOGLEAPIS)
    if arguments.imports:
        return
    if not arguments.check:
        for path in list(generated_files(CLIENTS)):
            (CLIENTS / path).unlink()
        generate(CLIENTS)
        return
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        stale = differences(CLIENTS, fresh)
    if stale:
        sys.exit("\n".join([*stale, "The generated code is not what the protos give: run `make generate`."]))


if __name__ == "__main__":
    main()
