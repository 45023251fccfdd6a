"""Generate code from the protos, or check that the committed code is up to date.

``python -m tools.dev.generate`` writes the code of every client (with ``buf.gen.yaml`` and, for TypeScript, a second
file of that name), each client's copy of ``clients/service_config.json``, the TypeScript client's copy of its version,
and the OpenAPI document that the service serves. It also copies the imported ``google/*`` protos from the installed
``googleapis-common-protos``, so that the network is not needed. ``--check`` writes nothing, lists the files that
differ, and exits with 1 if there are any.
"""

import argparse
import filecmp
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import status_pb2

from tools.dev.openapi import openapi_document

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path("clients")
SERVICE_CONFIG = ROOT / CLIENTS / "service_config.json"
NPM_PACKAGE = ROOT / CLIENTS / "typescript" / "package.json"
TEMPLATES = (ROOT / "buf.gen.yaml", ROOT / CLIENTS / "typescript" / "buf.gen.yaml")
PROTO_DOCUMENT = CLIENTS / "openapi" / "payments" / "v1" / "payments.openapi.json"
"""The output of protoc-gen-openapiv3. It is not committed, but the document made from it is."""

DOCUMENT = Path("server", "transport", "rest", "docs", "openapi.json")
INSTALLED_GOOGLE = Path(status_pb2.__file__).parents[1]
GOOGLE_PROTOS = (
    *("api/annotations.proto", "api/field_behavior.proto", "api/http.proto"),
    *("rpc/error_details.proto", "rpc/status.proto", "type/money.proto"),
)
"""The imports of the contract, and the details of its errors, which clients need too."""

GENERATED_PATTERNS = (
    "clients/python/src/**/*_pb2.py",
    "clients/python/src/**/*_pb2.pyi",
    "clients/python/src/**/*_pb2_grpc.py",
    "clients/python/src/**/*_pb2_grpc.pyi",
    "clients/python/src/payments_client/service_config.json",
    "clients/go/**/*.pb.go",
    "clients/go/service_config.json",
    "clients/java/client/src/generated/java/**/*.java",
    "clients/java/client/src/main/resources/payments/service_config.json",
    "clients/typescript/src/generated/**/*.ts",
    "clients/typescript/src/version.ts",
    "proto/google/**/*.proto",
    str(DOCUMENT),
)
"""The generated and copied files that are committed."""


def _copy_google_protos(destination: Path) -> None:
    """Copy the imported protos from ``googleapis-common-protos``."""
    for name in GOOGLE_PROTOS:
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(INSTALLED_GOOGLE / name, target)


def generate(folder: Path) -> None:
    """Generate everything into ``folder``, laid out like the project.

    Raises:
        SystemExit: a generator failed or is missing; the error has been printed.
    """
    _copy_google_protos(folder / "proto" / "google")
    for template in TEMPLATES:
        buf("generate", f"--template={template}", f"--output={folder / CLIENTS}")
    _move_python_stubs(folder / CLIENTS / "python" / "src")
    _copy_service_config(folder / CLIENTS)
    _write_typescript_version(folder / CLIENTS / "typescript" / "src" / "version.ts")
    descriptor_set = folder / "protos.binpb"
    buf("build", "proto", "--exclude-imports", "--as-file-descriptor-set", f"--output={descriptor_set}")
    protos = FileDescriptorSet.FromString(descriptor_set.read_bytes())
    document = folder / DOCUMENT
    document.parent.mkdir(parents=True)
    document.write_text(openapi_document(folder / PROTO_DOCUMENT, protos), "utf-8")


def _move_python_stubs(source: Path) -> None:
    """Move the stubs from ``payments.v1``, a name that callers may use themselves, into ``payments_client``.

    The generators can only name a module after its proto. The file name that the stubs register with protobuf stays the
    same, because a program may also have stubs of its own, and protobuf accepts the same messages only from one file.
    """
    stubs = source / "payments_client" / "v1"
    shutil.move(source / "payments" / "v1", stubs)
    for path in stubs.iterdir():
        text = path.read_text("utf-8").replace("from payments.v1 import", "from payments_client.v1 import")
        text = text.replace("'payments.v1.payments_pb2'", "'payments_client.v1.payments_pb2'")
        path.write_text(text, "utf-8")


def _copy_service_config(clients: Path) -> None:
    config = SERVICE_CONFIG.read_text("utf-8")
    for copy, text in {
        "python/src/payments_client/service_config.json": config,
        "go/service_config.json": config,
        "java/client/src/main/resources/payments/service_config.json": config,
        "typescript/src/generated/service_config.ts": (
            f"// Generated from clients/service_config.json. DO NOT EDIT.\n\nexport default {config.rstrip()};\n"
        ),
    }.items():
        path = clients / copy
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _write_typescript_version(path: Path) -> None:
    version = json.loads(NPM_PACKAGE.read_text("utf-8"))["version"]
    path.write_text(
        "// Generated from package.json. DO NOT EDIT.\n\n"
        "/** The version of this package. Its major version is that of the proto package (v1). */\n"
        f'export const VERSION = "{version}";\n',
        "utf-8",
    )


def buf(*arguments: str) -> None:
    """Run buf on the project.

    Raises:
        SystemExit: buf failed; it has printed the error.
    """
    process = subprocess.run([Path(sys.executable).parent / "buf", *arguments], cwd=ROOT, check=False)
    if process.returncode:
        sys.exit(process.returncode)


def generated_files(folder: Path) -> Iterator[Path]:
    """Yield the generated files in ``folder``, relative to it."""
    for pattern in GENERATED_PATTERNS:
        for path in folder.glob(pattern):
            yield path.relative_to(folder)


def differences(committed: Path, fresh: Path) -> list[str]:
    """Return a line for each file that is missing, left over or different in ``committed``."""
    existing, expected = set(generated_files(committed)), set(generated_files(fresh))
    return [
        *(f"missing: {path}" for path in sorted(expected - existing)),
        *(f"left over: {path}" for path in sorted(existing - expected)),
        *(
            f"differs: {path}"
            for path in sorted(existing & expected)
            if not filecmp.cmp(committed / path, fresh / path, shallow=False)
        ),
    ]


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if committed files are stale")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        if arguments.check:
            check(fresh)
        else:
            replace(fresh)


def check(fresh: Path) -> None:
    """Compare the committed files with those in ``fresh``.

    Raises:
        SystemExit: they differ.
    """
    if stale := differences(ROOT, fresh):
        sys.exit("\n".join([*stale, "The generated files do not match the protos: run `make generate`."]))


def replace(fresh: Path) -> None:
    """Replace the generated files with those in ``fresh``."""
    for path in list(generated_files(ROOT)):
        (ROOT / path).unlink()
    for path in generated_files(fresh):
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fresh / path, target)


if __name__ == "__main__":
    main()
