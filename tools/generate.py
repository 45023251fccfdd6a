"""Generate the code that comes from the protos, or check that what is committed is what they give.

``python -m tools.generate`` writes the Python modules into the client distribution, the one generated copy that there
is, and beside them each proto as a FileDescriptorSet that has its comments, which the modules lack; ``--check`` writes
nothing, lists what differs, and exits 1 if anything does. Both need no network: the imported ``google/*`` protos come
from the installed ``googleapis-common-protos``.
"""

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.rpc import status_pb2
from grpc_tools import protoc as bundled_protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "proto"
PYTHON_SOURCES = ROOT / "clients" / "python" / "src"
INSTALLED_GOOGLE = Path(status_pb2.__file__).parents[1]
GOOGLEAPIS = ROOT / ".cache" / "googleapis"
GENERATED_PATTERNS = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi", "*.binpb")


def copy_googleapis(destination: Path) -> None:
    """Copy the protos of ``googleapis-common-protos`` to ``destination``, where buf.yaml looks for them."""
    shutil.rmtree(destination, ignore_errors=True)
    for proto in sorted(INSTALLED_GOOGLE.rglob("*.proto")):
        target = destination / "google" / proto.relative_to(INSTALLED_GOOGLE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(proto, target)


def generate_python(destination: Path) -> None:
    """Run protoc with its Python, gRPC and typing plugins over every proto of ours, and write its descriptor set.

    Raises:
        SystemExit: protoc found an error; it has printed which.
    """
    plugins = Path(sys.executable).parent
    protos = sorted(PROTOS.rglob("*.proto"))
    destination.mkdir(parents=True, exist_ok=True)
    protoc(
        f"--proto_path={PROTOS}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={destination}",
        f"--mypy_out=quiet:{destination}",
        f"--grpc_python_out={destination}",
        f"--mypy_grpc_out=quiet:{destination}",
        *(str(proto) for proto in protos),
    )
    for proto in protos:
        descriptor_set = destination / proto.relative_to(PROTOS).with_suffix(".binpb")
        protoc(f"--proto_path={PROTOS}", "--include_source_info", f"--descriptor_set_out={descriptor_set}", str(proto))


def protoc(*arguments: str) -> None:
    """Run protoc, which finds the ``google/*`` protos by itself.

    Raises:
        SystemExit: it found an error; it has printed which.
    """
    exit_code = bundled_protoc.main(
        [
            "protoc",
            f"--proto_path={INSTALLED_GOOGLE.parent}",
            f"--proto_path={resources.files('grpc_tools') / '_proto'}",
            *arguments,
        ]
    )
    if exit_code:
        sys.exit(exit_code)


def generated_files(folder: Path) -> set[Path]:
    """Return the generated files below ``folder``, relative to it."""
    return {path.relative_to(folder) for pattern in GENERATED_PATTERNS for path in folder.rglob(pattern)}


def differences(committed: Path, fresh: Path) -> list[str]:
    """Return a line for each file that is missing, left over or different in ``committed``."""
    there, expected = generated_files(committed), generated_files(fresh)
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
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is committed is stale")
    check: bool = parser.parse_args().check
    copy_googleapis(GOOGLEAPIS)
    if not check:
        for path in generated_files(PYTHON_SOURCES):
            (PYTHON_SOURCES / path).unlink()
        generate_python(PYTHON_SOURCES)
        return
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "python"
        generate_python(fresh)
        stale = differences(PYTHON_SOURCES, fresh)
    if stale:
        sys.exit("\n".join([*stale, "The generated code is not what the protos give: run `make generate`."]))


if __name__ == "__main__":
    main()
