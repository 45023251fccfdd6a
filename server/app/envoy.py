"""Start the service inside Envoy, in place of this process."""

import math
from pathlib import Path
from typing import Any, NoReturn

from server.app.errors import StartupError
from server.app.process import module_path, raise_open_file_limit
from server.app.tls import load_tls
from server.config.settings import Settings
from server.transport.envoy.configuration import GRPC_LISTENER, REST_LISTENER, bootstrap
from server.transport.envoy.process import BUILD_VARIABLE, EnvoyUnusable, pyvoy_module, replace_process
from server.transport.envoy.tls import PublishedTls
from server.transport.listening import bindable_addresses, listen_error

APPLICATIONS = {GRPC_LISTENER: "server.app.inside_envoy:grpc", REST_LISTENER: "server.app.inside_envoy:rest"}
"""The ASGI application of each listener."""

_LOG_LEVEL = "warning"

_DRAIN_MARGIN_SECONDS = 60
"""How much longer Envoy's drain may take than the service's, which ends Envoy."""


def become_envoy(settings: Settings, build_application: str, worker: int | None) -> NoReturn:
    """Replace this process with Envoy, which runs the application that ``build_application`` wires.

    ``build_application`` names a ``BuildApplication``, as ``module:name``. ``worker`` is the number of this process, if
    it is one of several workers.

    Raises:
        StartupError: the service cannot listen on an address, the TLS files are invalid, or Envoy cannot run here.
    """
    tls = load_tls(settings)
    addresses = {
        GRPC_LISTENER: _addresses("GRPC", settings.grpc_host, settings.grpc_port, shares_port=worker is not None),
        REST_LISTENER: _addresses("REST", settings.rest_host, settings.rest_port, shares_port=worker is not None),
    }
    raise_open_file_limit()

    def configure(folder: Path) -> dict[str, Any]:
        if tls is not None:
            PublishedTls(folder).publish(tls)
        return bootstrap(settings, folder, APPLICATIONS, addresses, pyvoy_module(), worker=worker)

    try:
        replace_process(
            settings.envoy_path,
            configure,
            {BUILD_VARIABLE: build_application, "PYTHONPATH": module_path()},
            _LOG_LEVEL,
            math.ceil(settings.drain_timeout_seconds) + _DRAIN_MARGIN_SECONDS,
        )
    except EnvoyUnusable as error:
        raise StartupError(str(error)) from None


def _addresses(transport: str, host: str, port: int, *, shares_port: bool) -> list[tuple[str, int]]:
    """Return the addresses and ports that Envoy is to bind; a single one chooses a free port itself.

    They are bound here first, because Envoy's own error would not name the setting.
    """
    try:
        addresses = bindable_addresses(host, port, shares_port=shares_port)
    except OSError as error:
        raise StartupError(listen_error(transport, host, port, error)) from error
    return addresses if len(addresses) > 1 else [(address, port) for address, _ in addresses]
