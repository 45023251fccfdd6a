"""A protoc plugin that runs the Python generators of ``grpcio-tools``, which are built into its protoc.

``python -m tools.dev.protoc_gen_python NAME`` reads a CodeGeneratorRequest from standard input and writes a
CodeGeneratorResponse to standard output, like every plugin (https://protobuf.dev/reference/other/#plugins). NAME is
``python`` or ``grpc_python``.
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from grpc_tools import protoc


def main() -> None:
    """Run the plugin.

    Raises:
        SystemExit: protoc failed; it has printed the error.
    """
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    for file in request.proto_file:
        _clear_json_names(file.message_type)
    with tempfile.TemporaryDirectory() as folder:
        descriptor_set = Path(folder) / "request.binpb"
        descriptor_set.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        out = Path(folder) / "out"
        out.mkdir()
        exit_code = protoc.main(
            ["protoc", f"--descriptor_set_in={descriptor_set}", f"--{sys.argv[1]}_out={out}", *request.file_to_generate]
        )
        if exit_code:
            sys.exit(exit_code)
        response = plugin_pb2.CodeGeneratorResponse(
            supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL,
            file=[
                plugin_pb2.CodeGeneratorResponse.File(name=str(path.relative_to(out)), content=path.read_text("utf-8"))
                for path in sorted(out.rglob("*.py"))
            ],
        )
    sys.stdout.buffer.write(response.SerializeToString())


def _clear_json_names(messages: Iterable[DescriptorProto]) -> None:
    """Remove the JSON names of all fields. A plugin's request has them, but protoc's own Python output does not.

    If our file had them but the imported files did not, reflection would report names in two styles. (No proto here
    sets a custom JSON name.)
    """
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        _clear_json_names(message.nested_type)


if __name__ == "__main__":
    main()
