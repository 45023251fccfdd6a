"""Protos for tests only, and how they are loaded."""

import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

from tools.dev.generate import INSTALLED_GOOGLE

FOLDER = Path(__file__).parent


def compile_proto(name: str, source: Path = FOLDER) -> FileDescriptor:
    """Compile and load a proto of the folder ``source``."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "set.binpb"
        exit_code = protoc.main(
            [
                "protoc",
                f"--proto_path={source}",
                f"--proto_path={INSTALLED_GOOGLE.parent}",
                f"--proto_path={resources.files('grpc_tools') / '_proto'}",
                "--include_imports",
                f"--descriptor_set_out={output}",
                str(source / name),
            ]
        )
        assert exit_code == 0
        protos = FileDescriptorSet.FromString(output.read_bytes())
    pool = DescriptorPool()
    for file in protos.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(name)
