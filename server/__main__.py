"""``python -m server``: run the service until SIGTERM or SIGINT."""

import pkgutil
import sys

import structlog
import uvloop

from server.app.errors import StartupError
from server.app.startup import load_settings_of_process, number_of
from server.app.workers.worker import Worker
from server.config.exposure import check_exposure
from server.config.grpc import Engine
from server.config.settings import Settings, SettingsError, misspelled_variables
from server.observability.logs import configure_logs

_BUILD = "server.app.build:build"

_log = structlog.get_logger(__name__)


def main() -> None:
    """Run the service. Exit with 0 after a shutdown, 1 if the service cannot start, and 2 if a setting is invalid."""
    run(_BUILD)


def run(build_application: str) -> None:
    """Run the application that ``build_application`` wires from the settings. The exit codes are those of ``main``.

    ``build_application`` names a ``BuildApplication``, as ``module:name``. Only the process that runs the application
    imports it. With ``GRPC_ENGINE=envoy``, this process becomes Envoy, which runs the application. With ``WORKERS``, it
    becomes the supervisor of several processes, which run the service itself.
    """
    try:
        settings, worker = load_settings_of_process()
        check_exposure(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    configure_logs(settings.log_format, settings.log_level, worker=number_of(worker))
    if worker is None:
        for name, setting in misspelled_variables():
            _log.warning("setting_misspelt", variable=name, setting=setting)
    try:
        sys.exit(_run(settings, build_application, worker))
    except StartupError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    finally:
        if worker is not None:
            worker.leave()


def _run(settings: Settings, build_application: str, worker: Worker | None) -> int:
    """Run the supervisor, Envoy or the application, and return the exit code.

    Each imports only what it needs. The application takes half a second to import, which Envoy would have to do again.

    Raises:
        StartupError: it could not start.
    """
    if worker is None and settings.workers > 1:
        from server.app.workers.supervisor import supervise  # noqa: PLC0415

        return uvloop.run(supervise(settings))
    if settings.grpc_engine is Engine.ENVOY:
        from server.app.envoy import become_envoy  # noqa: PLC0415

        become_envoy(settings, build_application, number_of(worker))
    from server.app.lifecycle import serve  # noqa: PLC0415

    uvloop.run(serve(settings, pkgutil.resolve_name(build_application), worker))
    return 0


if __name__ == "__main__":
    main()
