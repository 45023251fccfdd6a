"""The folder ``proto``, as another team uses it: it compiles alone, and its descriptors describe the whole contract."""

import shutil
import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.support.programs import ROOT

CONTRACT = "payments/v1/payments.proto"
BUF = Path(sys.executable).with_name("buf")


def run(*command: str | Path, folder: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_protoc_compiles_the_contract_with_nothing_but_the_folder(tmp_path: Path) -> None:
    run(sys.executable, "-m", "grpc_tools.protoc", "-I", "proto", f"--python_out={tmp_path}", CONTRACT)
    assert (tmp_path / "payments/v1/payments_pb2.py").exists()


def test_buf_builds_a_copy_of_the_committed_files(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    run(BUF, "build", folder=tmp_path)


def test_the_descriptors_of_a_release_contain_every_import(tmp_path: Path) -> None:
    descriptors = tmp_path / "payments.binpb"
    run("make", "descriptors", f"DESCRIPTORS={descriptors}")
    files = FileDescriptorSet.FromString(descriptors.read_bytes()).file
    names = {file.name for file in files}
    assert CONTRACT in names
    assert {dependency for file in files for dependency in file.dependency} <= names
