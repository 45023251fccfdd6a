"""The check that the service is protected if other machines can reach it."""

from server.config.network_addresses import is_loopback
from server.config.security import Protection
from server.config.settings import Settings, SettingsError


def check_exposure(settings: Settings) -> None:
    """Check that a service that other machines can reach is protected, or that ``LISTEN_WITHOUT`` waives protection.

    ``MONITORING_HOST`` may be any address, because that port serves no calls and shows no payments.

    Only the service needs this check, because the tools do not listen.

    Raises:
        SettingsError: the service is not protected; the message names the settings that fix it.
    """
    exposed = [
        f"{name}={host}"
        for name, host in (("GRPC_HOST", settings.grpc_host), ("REST_HOST", settings.rest_host))
        if not is_loopback(host)
    ]
    if not exposed:
        return
    addresses = " and ".join(exposed)
    problems = []
    if settings.tls_cert_file is None and Protection.TLS not in settings.listen_without:
        problems.append(
            f"other machines can reach {addresses}, which requires TLS: set TLS_CERT_FILE and TLS_KEY_FILE. "
            "If the network or a proxy encrypts the traffic, LISTEN_WITHOUT=tls waives this"
        )
    is_open = settings.anonymous_roles and settings.tls_client_ca_file is None
    if is_open and Protection.AUTHENTICATION not in settings.listen_without:
        problems.append(
            f"other machines can reach {addresses}, which requires authentication: set ANONYMOUS_ROLES=- and create "
            "API keys with `payments keys create`, or set TLS_CLIENT_CA_FILE. "
            "If only authorized callers can reach the service, LISTEN_WITHOUT=authentication waives this"
        )
    if problems:
        raise SettingsError("\n".join(problems))
