"""Services with TLS, and the files and clients of their tests."""

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from payments.v1 import payments_pb2 as pb

from tests.support.certificates import Authority, Issued
from tests.support.drivers.calls import GrpcDriver
from tests.support.running_service import RunningService

RELOAD = {"TLS_RELOAD_INTERVAL_SECONDS": "0.2"}


@dataclass(frozen=True)
class Encrypted:
    """A service with TLS, its files, and whom its clients trust."""

    service: RunningService
    files: "Files"

    def channel(
        self, client: Issued | None = None, trusted: bytes | None = None, options: Sequence[tuple[str, Any]] = ()
    ) -> grpc.Channel:
        """Return a channel to it, of a client with this certificate, who trusts its authority or another."""
        credentials = grpc.ssl_channel_credentials(
            self.files.authority.certificate if trusted is None else trusted,
            *((client.key, client.certificate) if client is not None else ()),
        )
        return grpc.secure_channel(self.service.target, credentials, options)

    def http(self, client: Issued | None = None, trusted: bytes | None = None) -> httpx.Client:
        """Return the same over HTTP."""
        context = ssl.create_default_context(
            cadata=(self.files.authority.certificate if trusted is None else trusted).decode()
        )
        if client is not None:
            context.load_cert_chain(*client.write(self.files.folder, "client"))
        return httpx.Client(base_url=self.service.rest_url, verify=context)


@dataclass
class Files:
    """The files of a service, and who issues its certificates and those of its clients."""

    folder: Path
    authority: Authority
    clients: Authority

    def write(self, issued: Issued | None = None) -> dict[str, str]:
        """Write the service's certificate and key; return the settings that name them."""
        certificate, key = (issued or self.authority.issue(dns=["localhost"])).write(self.folder, "server")
        return {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}

    def write_authorities(self, *authorities: Authority) -> dict[str, str]:
        """Write the authorities of clients; return the setting that names them."""
        path = self.folder / "clients.pem"
        path.write_bytes(b"".join(one.certificate for one in authorities or (self.clients,)))
        return {"TLS_CLIENT_CA_FILE": str(path)}


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(150):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail("it did not come to hold")


def loads(service: RunningService) -> int:
    """Return how often files were taken."""
    return sum(event["event"] == "tls_files_loaded" for event in service.events)


def list_code(channel: grpc.Channel) -> str:
    """List over a channel, and return the code of the answer."""
    try:
        GrpcDriver(channel).stub.ListPayments(pb.ListPaymentsRequest(page_size=1), timeout=10)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"
