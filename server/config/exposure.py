"""Whether the service is protected where others than this machine can reach it."""

from server.config.grpc import Engine
from server.config.network_addresses import is_loopback
from server.config.security import Protection
from server.config.settings import Settings, SettingsError


def check_exposure(settings: Settings) -> None:
    """Check that the service, if others than this machine can reach it, is protected, or that this was waived.

    The native engine may be reached from this machine alone, and nothing waives that. ``MONITORING_HOST`` may be any
    address, because no call can be made there and no payment is shown.

    It is for those who start the service: tools that listen nowhere need no such thing.

    Raises:
        SettingsError: it is not; the message names the settings that would allow it.
    """
    open_to = [
        f"{name}={host}"
        for name, host in (("GRPC_HOST", settings.grpc_host), ("REST_HOST", settings.rest_host))
        if not is_loopback(host)
    ]
    if not open_to:
        return
    where = " and ".join(open_to)
    problems = []
    if settings.grpc_engine is Engine.NATIVE and not is_loopback(settings.grpc_host):
        problems.append(
            f"GRPC_ENGINE=native listens on loopback alone, and GRPC_HOST={settings.grpc_host} is elsewhere: "
            "set GRPC_ENGINE=grpcio, or GRPC_HOST=127.0.0.1 behind a proxy on this machine"
        )
    if settings.tls_cert_file is None and Protection.TLS not in settings.listen_without:
        problems.append(
            f"listening elsewhere than on loopback ({where}) needs TLS: set TLS_CERT_FILE and TLS_KEY_FILE. "
            "Where the network or a proxy protects what is sent, LISTEN_WITHOUT=tls waives it"
        )
    is_open = settings.anonymous_roles and settings.tls_client_ca_file is None
    if is_open and Protection.AUTHENTICATION not in settings.listen_without:
        problems.append(
            f"listening elsewhere than on loopback ({where}) needs callers who say who they are: set ANONYMOUS_ROLES=- "
            "and make keys with `payments keys create`, or set TLS_CLIENT_CA_FILE. "
            "Where only those who may can reach it, LISTEN_WITHOUT=authentication waives it"
        )
    if problems:
        raise SettingsError("\n".join(problems))
