"""TLS: load the certificate and key files for both gRPC and REST, and reload them when they change.

Existing connections are not affected; new ones use the current files. If changed files are invalid, the error is
logged, and the last valid ones stay in use.
"""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_log = structlog.get_logger(__name__)


class InvalidTlsFiles(Exception):
    """The TLS files are invalid. The message names the setting and the problem, and contains no part of a key."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The paths of the PEM files.

    ``certificates`` is the service's certificate chain, with its own certificate first, and ``key`` is its key.
    ``client_authorities`` contains the CA certificates that verify client certificates; if it is None, clients are not
    asked for a certificate.
    """

    certificates: Path
    key: Path
    client_authorities: Path | None


@dataclass(frozen=True, slots=True)
class _LoadedFiles:
    """The contents of the files, which have been checked and match each other."""

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
    """The TLS configuration of the servers. ``use_changed`` passes changed files to a server that reads them itself."""

    def __init__(self, files: TlsFiles) -> None:
        """Load the files.

        Raises:
            InvalidTlsFiles: the files are invalid.
        """
        self.files = files
        self.use_changed: Callable[[], Awaitable[None]] | None = None
        self._file_states = _file_states(files)
        self._loaded = _load(files)
        self._loaded_in_grpc = self._loaded

    @property
    def client_authorities(self) -> bytes | None:
        """The valid certificates of the authorities that verify clients, in PEM; None if clients are not verified."""
        return self._loaded.client_authorities

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of a gRPC server, which requires client certificates if it has CAs to verify them."""
        return grpc.dynamic_ssl_server_credentials(
            self._loaded.grpc_configuration(),
            self._new_grpc_configuration,  # type: ignore[arg-type] # may return None, which grpc's type omits
            require_client_authentication=self.files.client_authorities is not None,
        )

    def http_context(self) -> ssl.SSLContext:
        """Return the context of an HTTP server. It does not require client certificates; ``auth.Authorizer`` does."""
        context = _context(self.files.client_authorities is not None)

        def use_latest(connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._loaded.context

        # OpenSSL calls this in every handshake, even if the client sends no server name.
        context.sni_callback = use_latest
        return context

    async def reload(self) -> None:
        """Load the files if they have changed since the last check, and log an error if they are invalid."""
        states = _file_states(self.files)
        if states == self._file_states:
            return
        # Set this even if the files are invalid, so that the error is logged once, and the next change is loaded.
        self._file_states = states
        try:
            self._loaded = _load(self.files)
        except InvalidTlsFiles as error:
            _log.error("tls_files_wrong", detail=str(error))
        else:
            if self.use_changed is not None:
                await self.use_changed()
            self.log_loaded()

    def _new_grpc_configuration(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the configuration to use from now on, or None if it is unchanged.

        gRPC calls this in every handshake, from its own threads. A new configuration also invalidates all TLS sessions,
        so returning one in every handshake would turn off session resumption, as ``_context`` does for HTTP if it
        verifies clients. But grpcio 1.85.1 frees the old configuration while another handshake may still read it, and
        would crash within seconds under load.
        """
        loaded = self._loaded
        if loaded is self._loaded_in_grpc:
            return None
        configuration = loaded.grpc_configuration()
        self._loaded_in_grpc = loaded
        return configuration

    def log_loaded(self) -> None:
        """Log that the files are in use, and when the service's certificate expires."""
        _log.info("tls_files_loaded", expires=self._loaded.expire_time.isoformat())


def _load(files: TlsFiles) -> _LoadedFiles:
    certificates = _read("TLS_CERT_FILE", files.certificates)
    key = _read("TLS_KEY_FILE", files.key)
    own = _certificates("TLS_CERT_FILE", files.certificates, certificates)[0]
    if not _is_valid(own):
        text = f"is not valid now, only from {own.not_valid_before_utc} to {own.not_valid_after_utc}"
        raise _invalid("TLS_CERT_FILE", files.certificates, text)
    _check_key(files, key, own)
    authorities = None if files.client_authorities is None else _authorities(files.client_authorities)
    context = _context(authorities is not None)
    try:
        context.load_cert_chain(files.certificates, files.key, password=_no_password)
    except (ssl.SSLError, OSError) as error:
        raise _invalid("TLS_CERT_FILE", files.certificates, f"cannot be used: {error.args[-1]}") from None
    if authorities is not None:
        context.load_verify_locations(cadata=authorities.decode())
    return _LoadedFiles(certificates, key, authorities, context, own.not_valid_after_utc)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _invalid(setting, path, f"cannot be read: {error.strerror}") from None


def _certificates(setting: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise _invalid(setting, path, "must contain certificates in PEM (-----BEGIN CERTIFICATE-----)") from None


def _authorities(path: Path) -> bytes:
    """Return the currently valid CA certificates of a file, as PEM without any text between them."""
    found = _certificates("TLS_CLIENT_CA_FILE", path, _read("TLS_CLIENT_CA_FILE", path))
    valid = [certificate.public_bytes(Encoding.PEM) for certificate in found if _is_valid(certificate)]
    if not valid:
        raise _invalid("TLS_CLIENT_CA_FILE", path, "contains no certificate that is valid now")
    return b"".join(valid)


def _is_valid(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def _check_key(files: TlsFiles, pem: bytes, certificate: x509.Certificate) -> None:
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise _invalid("TLS_KEY_FILE", files.key, "must not be encrypted with a password") from None
    except ValueError:
        raise _invalid("TLS_KEY_FILE", files.key, "must contain a private key in PEM") from None
    encoding = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*encoding) != certificate.public_key().public_bytes(*encoding):
        raise _invalid("TLS_KEY_FILE", files.key, "is not the key of the first certificate in TLS_CERT_FILE")


def _context(verifies_clients: bool) -> ssl.SSLContext:  # noqa: FBT001
    """Return a context without certificates.

    A connection starts with one context, and its handshake switches it to the context with the certificates. Both need
    the same options: OpenSSL takes the versions, tickets and session cache from the context in which a handshake began,
    and switches only the certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if verifies_clients:
        context.verify_mode = ssl.CERT_OPTIONAL
        # A resumed session is not verified again, so it could outlive the CA of the client's certificate. TLS 1.2 also
        # resumes sessions by ID, from a cache that Python cannot turn off; TLS 1.3 resumes them only by ticket.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
    return context


def _no_password() -> str:
    """Return an empty password, so that OpenSSL does not ask for one on the terminal."""
    return ""


def _file_states(files: TlsFiles) -> tuple[object, ...]:
    """Return values that change when a file is changed or replaced, even behind a symbolic link."""
    return tuple(map(_file_state, (files.certificates, files.key, files.client_authorities)))


def _file_state(path: Path | None) -> object:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _invalid(setting: str, path: Path, text: str) -> InvalidTlsFiles:
    return InvalidTlsFiles(f"{setting}={str(path)!r}: {text}")
