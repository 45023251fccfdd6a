"""``python -m server``: run the service until it is told to stop."""

import sys
from collections.abc import Callable

import structlog
import uvloop

from server.app.build import Application, build
from server.app.errors import StartupError
from server.app.lifecycle import serve
from server.config.exposure import check_exposure
from server.config.settings import Settings, SettingsError, load_settings, misspelt_variables
from server.observability.logs import configure_logs

_log = structlog.get_logger(__name__)


def main() -> None:
    """Run the service; exits 0 when it was stopped, 1 when it could not start, 2 when a setting is wrong."""
    run(build)


def run(make: Callable[[Settings], Application]) -> None:
    """Run the application that ``make`` wires from the settings, in this process: see ``main``."""
    try:
        settings = load_settings()
        check_exposure(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    configure_logs(settings.log_format, settings.log_level)
    for name, setting in misspelt_variables():
        _log.warning("setting_misspelt", variable=name, setting=setting)
    try:
        uvloop.run(serve(settings, make))
    except StartupError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
