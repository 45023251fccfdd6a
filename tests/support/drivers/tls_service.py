"""Services with TLS, their certificate files, and their clients."""

import functools
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from payments_client.v1 import payments_pb2 as pb

from tests.support import waiting
from tests.support.certificates import Authority, Issued
from tests.support.drivers.calls import GrpcDriver
from tests.support.running_service import RunningService

RELOAD = {"TLS_RELOAD_INTERVAL_SECONDS": "0.2"}


@dataclass(frozen=True)
class TlsService:
    """A service with TLS, and its certificate files."""

    service: RunningService
    files: "Files"

    def channel(
        self, client: Issued | None = None, trusted: bytes | None = None, options: Sequence[tuple[str, Any]] = ()
    ) -> grpc.Channel:
        """Return a channel with this client certificate; it trusts ``trusted``, by default the service's authority."""
        credentials = grpc.ssl_channel_credentials(
            self.files.authority.certificate if trusted is None else trusted,
            *((client.key, client.certificate) if client is not None else ()),
        )
        return grpc.secure_channel(self.service.target, credentials, options)

    def http(self, client: Issued | None = None, trusted: bytes | None = None) -> httpx.Client:
        """Return an HTTP client with this client certificate: see ``channel``."""
        context = ssl.create_default_context(
            cadata=(self.files.authority.certificate if trusted is None else trusted).decode()
        )
        if client is not None:
            context.load_cert_chain(*client.write(self.files.folder, "client"))
        return httpx.Client(base_url=self.service.rest_url, verify=context)


@dataclass
class Files:
    """The certificate files of a service, and the authorities of its certificates and of its clients' certificates."""

    folder: Path
    authority: Authority
    clients: Authority

    def write(self, issued: Issued | None = None) -> dict[str, str]:
        """Write the service's certificate and key, and return the settings for them."""
        certificate, key = (issued or self.authority.issue(dns=["localhost"])).write(self.folder, "server")
        return {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}

    def write_authorities(self, *authorities: Authority) -> dict[str, str]:
        """Write the authorities of client certificates, and return the setting for them."""
        path = self.folder / "clients.pem"
        path.write_bytes(b"".join(one.certificate for one in authorities or (self.clients,)))
        return {"TLS_CLIENT_CA_FILE": str(path)}


wait_until = functools.partial(waiting.wait_until, within_seconds=15)


def loads(service: RunningService) -> int:
    """Return how often the service has loaded its certificate files."""
    return sum(event["event"] == "tls_files_loaded" for event in service.events)


def list_code(channel: grpc.Channel) -> str:
    """Call ListPayments over a channel, and return the status code."""
    try:
        GrpcDriver(channel).stub.ListPayments(pb.ListPaymentsRequest(page_size=1), timeout=10)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"
