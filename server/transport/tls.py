"""TLS: the files of certificates and keys, for gRPC and REST alike, read anew when they change.

Connections that are there stay as they are; new ones get what the files have now. Files that cannot be used change
nothing, and are told of in the log.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_log = structlog.get_logger(__name__)


class TlsFilesWrong(Exception):
    """The files cannot be used; the message names the setting and says what is wrong, and holds nothing of a key."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where they are: the service's certificates, in PEM and its own first, and its key.

    ``client_authorities`` are those by which clients' certificates are verified; None asks clients for none.
    """

    certificates: Path
    key: Path
    client_authorities: Path | None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What was read, and is known to fit together."""

    certificates: bytes
    key: bytes
    client_authorities: bytes | None
    context: ssl.SSLContext
    expire_time: datetime

    def grpc_configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(self.key, self.certificates)], root_certificates=self.client_authorities
        )


class Tls:
    """What connections are encrypted with."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files.

        Raises:
            TlsFilesWrong: they cannot be used.
        """
        self._files = files
        self._seen = _state(files)
        self._loaded = _load(files)
        self._told_grpc = self._loaded
        self._log_loaded()

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return what a gRPC server listens with. Clients need certificates when there are authorities for these."""
        return grpc.dynamic_ssl_server_credentials(
            self._loaded.grpc_configuration(),
            self._changed_for_grpc,  # type: ignore[arg-type] # None is no change: grpc's type leaves it out
            require_client_authentication=self._files.client_authorities is not None,
        )

    def http_context(self) -> ssl.SSLContext:
        """Return what an HTTP server listens with. Clients may leave out their certificate: see ``auth.Gate``."""
        context = _context(self._files.client_authorities is not None)

        def use_latest(connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._loaded.context

        # OpenSSL asks it of every handshake, whether the client names a server or not.
        context.sni_callback = use_latest
        return context

    async def reload(self) -> None:
        """Load the files if they have changed since they were last looked at, and log when they cannot be used."""
        state = _state(self._files)
        if state == self._seen:
            return
        # Also when they are wrong, so that this is logged once, and they are loaded again when they change again.
        self._seen = state
        try:
            self._loaded = _load(self._files)
        except TlsFilesWrong as error:
            _log.error("tls_files_wrong", detail=str(error))
        else:
            self._log_loaded()

    def _changed_for_grpc(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what to use from now on, if it is other than before; gRPC asks at every handshake, in its threads.

        A new configuration also ends all sessions. One for each handshake would end resumption altogether, but grpcio
        1.85.1 frees the old one while another handshake may still read it, and so crashes within seconds under load.
        """
        loaded = self._loaded
        if loaded is self._told_grpc:
            return None
        configuration = loaded.grpc_configuration()
        self._told_grpc = loaded
        return configuration

    def _log_loaded(self) -> None:
        _log.info("tls_files_loaded", expires=self._loaded.expire_time.isoformat())


def _load(files: TlsFiles) -> _Loaded:
    certificates = _read("TLS_CERT_FILE", files.certificates)
    key = _read("TLS_KEY_FILE", files.key)
    own = _certificates("TLS_CERT_FILE", files.certificates, certificates)[0]
    if not _is_valid(own):
        text = f"is valid from {own.not_valid_before_utc} to {own.not_valid_after_utc}, not now"
        raise _wrong("TLS_CERT_FILE", files.certificates, text)
    _check_key(files, key, own)
    authorities = None if files.client_authorities is None else _authorities(files.client_authorities)
    context = _context(authorities is not None)
    try:
        context.load_cert_chain(files.certificates, files.key, password=_no_password)
    except (ssl.SSLError, OSError) as error:
        raise _wrong("TLS_CERT_FILE", files.certificates, f"cannot be used: {error.args[-1]}") from None
    if authorities is not None:
        context.load_verify_locations(cadata=authorities.decode())
    return _Loaded(certificates, key, authorities, context, own.not_valid_after_utc)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _wrong(setting, path, f"cannot be read: {error.strerror}") from None


def _certificates(setting: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise _wrong(setting, path, "must have certificates in PEM (-----BEGIN CERTIFICATE-----)") from None


def _authorities(path: Path) -> bytes:
    """Return the authorities in a file, those that are valid now, in PEM with nothing between."""
    found = _certificates("TLS_CLIENT_CA_FILE", path, _read("TLS_CLIENT_CA_FILE", path))
    valid = [certificate.public_bytes(Encoding.PEM) for certificate in found if _is_valid(certificate)]
    if not valid:
        raise _wrong("TLS_CLIENT_CA_FILE", path, "has no certificate that is valid now")
    return b"".join(valid)


def _is_valid(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def _check_key(files: TlsFiles, pem: bytes, certificate: x509.Certificate) -> None:
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise _wrong("TLS_KEY_FILE", files.key, "must not be encrypted with a password") from None
    except ValueError:
        raise _wrong("TLS_KEY_FILE", files.key, "must have a private key in PEM") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise _wrong("TLS_KEY_FILE", files.key, "is not the key of the first certificate in TLS_CERT_FILE")


def _context(verifies: bool) -> ssl.SSLContext:  # noqa: FBT001
    """Return a context without certificates, the same for new connections as for what they are switched to.

    OpenSSL takes the versions, tickets and session cache from the context in which a handshake began, and switches
    only the certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if verifies:
        context.verify_mode = ssl.CERT_OPTIONAL
        # A resumed session is not verified again, so it would outlive its client's authority. TLS 1.2 also resumes
        # sessions by id, from a cache that Python cannot turn off; TLS 1.3 resumes them by ticket alone.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
    return context


def _no_password() -> str:
    # So that OpenSSL never asks for one on the terminal.
    return ""


def _state(files: TlsFiles) -> tuple[object, ...]:
    """Return what tells that a file was changed, or replaced by another, through links too."""
    return tuple(map(_state_of, (files.certificates, files.key, files.client_authorities)))


def _state_of(path: Path | None) -> object:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _wrong(setting: str, path: Path, text: str) -> TlsFilesWrong:
    return TlsFilesWrong(f"{setting}={str(path)!r}: {text}")
