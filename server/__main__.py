"""``python -m server``: run the service until SIGTERM or SIGINT."""

import sys

import structlog
import uvloop

from server.app.build import BuildApplication, build
from server.app.envoy import become_envoy
from server.app.errors import StartupError
from server.app.lifecycle import serve
from server.app.startup import load_settings_of_process, number_of
from server.app.workers.supervisor import supervise
from server.config.exposure import check_exposure
from server.config.grpc import Engine
from server.config.settings import SettingsError, misspelled_variables
from server.observability.logs import configure_logs

_log = structlog.get_logger(__name__)


def main() -> None:
    """Run the service. Exit with 0 after a shutdown, 1 if the service cannot start, and 2 if a setting is invalid."""
    run(build)


def run(build_application: BuildApplication) -> None:
    """Run the application that ``build_application`` wires from the settings. The exit codes are those of ``main``.

    With ``GRPC_ENGINE=envoy``, this process becomes Envoy, which runs the application. With ``WORKERS``, it becomes the
    supervisor of several processes, which run the one that ``build`` wires.
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
        if worker is None and settings.workers > 1:
            sys.exit(uvloop.run(supervise(settings)))
        if settings.grpc_engine is Engine.ENVOY:
            become_envoy(settings, build_application, number_of(worker))
        uvloop.run(serve(settings, build_application, worker))
    except StartupError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    finally:
        if worker is not None:
            worker.leave()


if __name__ == "__main__":
    main()
