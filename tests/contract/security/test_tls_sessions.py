"""A resumed TLS session never admits a client that a full handshake would reject."""

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc.experimental.session_cache import ssl_session_cache_lru
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.support.certificates import Authority, Issued
from tests.support.drivers.calls import GrpcDriver, call_failed
from tests.support.drivers.tls_service import TlsService, list_code, loads, wait_until

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

_REQUESTS = {
    "grpc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0",
    "rest": b"GET /v1/payments HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
}
"""The first bytes of a client. A gRPC server that admits the client responds to the HTTP/2 preface with settings."""

_ALPN = {"grpc": "h2", "rest": "http/1.1"}


@dataclass(frozen=True)
class AdmittedConnection:
    """An admitted connection: the server's response, whether it resumed a session, and the session for the next one."""

    response: bytes
    is_resumed: bool
    session: ssl.SSLSession | None


class Client:
    """A client that uses one transport and one TLS version."""

    def __init__(self, tls_service: TlsService, transport: str, version: ssl.TLSVersion, issued: Issued | None) -> None:
        """Prepare TLS with the client's certificate, if any, without connecting."""
        service = tls_service.service
        self._address = "127.0.0.1", service.port if transport == "grpc" else service.rest_port
        self._request = _REQUESTS[transport]
        self._context = ssl.create_default_context(cadata=tls_service.files.authority.certificate.decode())
        self._context.minimum_version = self._context.maximum_version = version
        self._context.set_alpn_protocols([_ALPN[transport]])
        if issued is not None:
            self._context.load_cert_chain(*issued.write(tls_service.files.folder, "client"))

    def connect(self, session: ssl.SSLSession | None = None) -> AdmittedConnection | None:
        """Connect, offer to resume ``session``, and return the connection, or None if the server rejects it."""
        try:
            with (
                socket.create_connection(self._address, 10) as tcp,
                self._context.wrap_socket(tcp, server_hostname="127.0.0.1", session=session) as connection,
            ):
                connection.sendall(self._request)
                response = connection.recv(1 << 16)
                return (
                    AdmittedConnection(response, bool(connection.session_reused), connection.session)
                    if response
                    else None
                )
        except OSError:
            return None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_session_ends_when_the_authority_of_its_client_is_removed(
    mutual_tls_service: TlsService, transport: str, version: ssl.TLSVersion
) -> None:
    files, later = mutual_tls_service.files, Authority()
    client = Client(mutual_tls_service, transport, version, files.clients.issue(common_name="shop"))
    first = client.connect()
    files.write_authorities(later)
    wait_until(lambda: loads(mutual_tls_service.service) == 2)
    assert client.connect(None if first is None else first.session) is None
    assert client.connect() is None


@pytest.mark.parametrize("version", VERSIONS)
def test_rest_resumes_no_session_of_a_client_with_a_certificate(
    mutual_tls_service: TlsService, version: ssl.TLSVersion
) -> None:
    """Without Envoy, REST rejects TLS 1.2, because Python cannot turn off its resumption by session ID."""
    for issued in (mutual_tls_service.files.clients.issue(common_name="shop"), None):
        client = Client(mutual_tls_service, "rest", version, issued)
        first = client.connect()
        if version is ssl.TLSVersion.TLSv1_2 and mutual_tls_service.service.engine is not Engine.ENVOY:
            assert first is None
            continue
        assert first is not None
        assert first.response.startswith(b"HTTP/1.1 200" if issued else b"HTTP/1.1 401")
        second = client.connect(first.session)
        assert second is not None
        assert not second.is_resumed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_without_client_certificates_both_versions_are_served(
    tls_service: TlsService, transport: str, version: ssl.TLSVersion
) -> None:
    connected = Client(tls_service, transport, version, None).connect()
    assert connected is not None
    assert connected.response


def test_over_grpc_a_resumed_session_ends_with_the_certificate_of_its_client(mutual_tls_service: TlsService) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=6)
    issued = mutual_tls_service.files.clients.issue(common_name="shop", not_after=expires)
    # gRPC clients cache sessions by server name.
    cache = ssl_session_cache_lru(1)  # type: ignore[no-untyped-call]
    sessions = [("grpc.ssl_session_cache", cache), ("grpc.ssl_target_name_override", "localhost")]
    for _ in range(2):
        with mutual_tls_service.channel(issued, options=sessions) as channel:
            assert list_code(channel) == "OK"
    while datetime.now(UTC) < expires + timedelta(seconds=1):
        time.sleep(0.1)
    with mutual_tls_service.channel(issued, options=sessions) as channel, pytest.raises(grpc.RpcError) as error_info:
        GrpcDriver(channel).stub.ListPayments(pb.ListPaymentsRequest(), timeout=10)
    failed = call_failed(error_info.value)  # type: ignore[arg-type]
    # Envoy resumes no session, so the handshake fails.
    is_envoy = mutual_tls_service.service.engine is Engine.ENVOY
    expected = ("UNAVAILABLE", "") if is_envoy else ("UNAUTHENTICATED", "CERTIFICATE_INVALID")
    assert (failed.code, failed.reason) == expected
    with mutual_tls_service.channel(issued) as channel:
        assert list_code(channel) == "UNAVAILABLE"
