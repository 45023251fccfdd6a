"""Load the TLS files that the settings name."""

from server.app.errors import StartupError
from server.config.settings import Settings
from server.transport.tls import InvalidTlsFiles, Tls, TlsFiles


def load_tls(settings: Settings) -> Tls | None:
    """Return the TLS configuration, or None if the service has no TLS.

    Raises:
        StartupError: the TLS files cannot be used.
    """
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    try:
        return Tls(TlsFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file))
    except InvalidTlsFiles as error:
        raise StartupError(str(error)) from None
