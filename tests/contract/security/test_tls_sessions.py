"""A resumed TLS session never admits a client that a full handshake would reject."""

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc.experimental.session_cache import ssl_session_cache_lru
from payments.v1 import payments_pb2 as pb

from tests.support.certificates import Authority, Issued
from tests.support.drivers.calls import GrpcDriver, call_failed
from tests.support.drivers.tls_service import TlsService, list_code, loads, wait_until

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

_REQUESTS = {
    "grpc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0",
    "rest": b"GET /v1/payments HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
}
"""The first bytes of a client. A gRPC server answers the HTTP/2 preface with its settings once it admits the client."""

_ALPN = {"grpc": "h2", "rest": "http/1.1"}


@dataclass(frozen=True)
class Connected:
    """An admitted connection: the server's answer, whether it resumed a session, and its session for the next one."""

    response: bytes
    is_resumed: bool
    session: ssl.SSLSession | None


class Client:
    """A client that uses one transport and one TLS version."""

    def __init__(self, encrypted: TlsService, transport: str, version: ssl.TLSVersion, issued: Issued | None) -> None:
        """Prepare TLS with the client's certificate, if any, without connecting."""
        service = encrypted.service
        self._address = "127.0.0.1", service.port if transport == "grpc" else service.rest_port
        self._request = _REQUESTS[transport]
        self._context = ssl.create_default_context(cadata=encrypted.files.authority.certificate.decode())
        self._context.minimum_version = self._context.maximum_version = version
        self._context.set_alpn_protocols([_ALPN[transport]])
        if issued is not None:
            self._context.load_cert_chain(*issued.write(encrypted.files.folder, "client"))

    def connect(self, session: ssl.SSLSession | None = None) -> Connected | None:
        """Connect, offer to resume ``session``, and return the connection, or None if the server rejects it."""
        try:
            with (
                socket.create_connection(self._address, 10) as connection,
                self._context.wrap_socket(connection, server_hostname="127.0.0.1", session=session) as encrypted,
            ):
                encrypted.sendall(self._request)
                response = encrypted.recv(1 << 16)
                return Connected(response, bool(encrypted.session_reused), encrypted.session) if response else None
        except OSError:
            return None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_session_ends_when_the_authority_of_its_client_is_removed(
    mutual: TlsService, transport: str, version: ssl.TLSVersion
) -> None:
    files, later = mutual.files, Authority()
    client = Client(mutual, transport, version, files.clients.issue(common_name="shop"))
    first = client.connect()
    files.write_authorities(later)
    wait_until(lambda: loads(mutual.service) == 2)
    assert client.connect(None if first is None else first.session) is None
    assert client.connect() is None


@pytest.mark.parametrize("version", VERSIONS)
def test_rest_accepts_client_certificates_only_over_tls_1_3_and_resumes_no_session(
    mutual: TlsService, version: ssl.TLSVersion
) -> None:
    for issued in (mutual.files.clients.issue(common_name="shop"), None):
        client = Client(mutual, "rest", version, issued)
        first = client.connect()
        if version is ssl.TLSVersion.TLSv1_2:
            assert first is None
            continue
        assert first is not None
        assert first.response.startswith(b"HTTP/1.1 200" if issued else b"HTTP/1.1 401")
        again = client.connect(first.session)
        assert again is not None
        assert not again.is_resumed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_without_client_certificates_both_versions_are_served(
    encrypted: TlsService, transport: str, version: ssl.TLSVersion
) -> None:
    connected = Client(encrypted, transport, version, None).connect()
    assert connected is not None
    assert connected.response


def test_over_grpc_a_resumed_session_ends_with_the_certificate_of_its_client(mutual: TlsService) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=6)
    issued = mutual.files.clients.issue(common_name="shop", not_after=expires)
    # gRPC clients cache sessions by server name.
    cache = ssl_session_cache_lru(1)  # type: ignore[no-untyped-call]
    sessions = [("grpc.ssl_session_cache", cache), ("grpc.ssl_target_name_override", "localhost")]
    for _ in range(2):
        with mutual.channel(issued, options=sessions) as channel:
            assert list_code(channel) == "OK"
    while datetime.now(UTC) < expires + timedelta(seconds=1):
        time.sleep(0.1)
    with mutual.channel(issued, options=sessions) as channel, pytest.raises(grpc.RpcError) as error_info:
        GrpcDriver(channel).stub.ListPayments(pb.ListPaymentsRequest(), timeout=10)
    failed = call_failed(error_info.value)  # type: ignore[arg-type]
    assert (failed.code, failed.reason) == ("UNAUTHENTICATED", "CERTIFICATE_INVALID")
    with mutual.channel(issued) as channel:
        assert list_code(channel) == "UNAVAILABLE"
