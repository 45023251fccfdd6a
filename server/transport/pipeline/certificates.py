"""Client certificates: read a connection's certificate, and the caller's name in it, the same way for gRPC and REST."""

import asyncio
import ssl
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.x509.oid import NameOID

from server.domain.errors import CertificateInvalid
from server.domain.value import value

_CACHED_CERTIFICATES = 512
"""The number of certificates whose names are cached. Parsing one takes 30 us, and gRPC needs the name in every call."""

FORWARDED_CERTIFICATE = "x-forwarded-client-cert"
"""The header in which Envoy passes a client's verified certificate. It removes what a client sends under this name."""

_MALFORMED = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""The errors that ``cryptography`` raises for a malformed certificate."""


@value()
class ClientCertificate:
    """A client's verified certificate, in PEM.

    ``session_resumed`` says that the connection resumed a TLS session, so that the certificate was verified for an
    earlier connection and not again.
    """

    pem: bytes
    session_resumed: bool


def certificate_of_grpc_peer(auth_context: Mapping[str, Iterable[bytes]]) -> ClientCertificate | None:
    """Return a gRPC client's certificate, or None.

    The names that gRPC reads from it are not used, because gRPC cuts them at a NUL byte.
    """
    for pem in auth_context.get("x509_pem_cert", ()):
        return ClientCertificate(pem, b"true" in auth_context.get("ssl_session_reused", ()))
    return None


def certificate_of_http_peer(transport: asyncio.BaseTransport) -> ClientCertificate | None:
    """Return an HTTP client's certificate, or None."""
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    der = None if connection is None else connection.getpeercert(binary_form=True)
    if connection is None or der is None:
        return None
    return ClientCertificate(ssl.DER_cert_to_PEM_cert(der).encode(), bool(connection.session_reused))


def certificates_of_envoy(forwarded: str) -> Iterator[bytes]:
    """Yield the certificate, in PEM, in a ``FORWARDED_CERTIFICATE`` header that Envoy wrote, if it has one."""
    for part in forwarded.split(";"):
        if part.startswith("Cert="):
            yield unquote_to_bytes(part.removeprefix("Cert=").strip('"'))


def check_not_expired(certificate: ClientCertificate) -> None:
    """Check that a certificate has not expired, if its connection resumed a TLS session.

    Any other certificate was valid when its connection was made, and the connection may outlive it.

    Raises:
        CertificateInvalid: the certificate has expired.
    """
    if certificate.session_resumed and _parse(certificate.pem).not_valid_after_utc < datetime.now(UTC):
        raise CertificateInvalid("the certificate has expired; connect with a new one, without resuming a TLS session")


@lru_cache(maxsize=_CACHED_CERTIFICATES)
def name_of_certificate(pem: bytes) -> str:
    """Return the name in a client's verified certificate exactly as written, or "" if there is none.

    It is the first URI among the subject alternative names, else the first DNS name, else the common name.

    Raises:
        CertificateInvalid: the certificate is malformed, or has several common names.
    """
    certificate = _parse(pem)
    try:
        names = _alternative_names(certificate) or _common_names(certificate)
    except _MALFORMED:
        raise CertificateInvalid("the certificate is malformed: its names cannot be read") from None
    return names[0] if names else ""


def _parse(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except _MALFORMED:
        raise CertificateInvalid("the certificate is malformed") from None


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier) or names.get_values_for_type(x509.DNSName)


def _common_names(certificate: x509.Certificate) -> list[str]:
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(names) > 1:
        raise CertificateInvalid("the certificate has several common names; it must have one, or a URI or a DNS name")
    return names
