"""The real service in a process of its own, for tests."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar

from server.config.grpc import Engine
from server.config.settings import Settings
from tests.support import programs
from tests.support.secrecy import secrets_in

_START_TIMEOUT_SECONDS = 60
_STOP_TIMEOUT_SECONDS = 60

_INHERITED = ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG")
"""Variables that the service inherits. With the last one, coverage.py measures the workers too."""


class RunningService:
    """``python -m server`` with the given settings, on free ports. After a restart, it uses the same ports.

    With ``program``, it is ``payments serve`` of another release.
    """

    as_service: ClassVar[Callable[[Mapping[str, str]], dict[str, str]]] = dict
    """Converts settings with the migrator's account to settings with the service's account: see ``Accounts``."""

    def __init__(self, environment: Mapping[str, str], program: Path | None = None) -> None:
        """Set the settings. The service inherits nothing else from this process but a few variables."""
        self._program = program
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        engine = {"GRPC_ENGINE": os.environ["TEST_GRPC_ENGINE"]} if "TEST_GRPC_ENGINE" in os.environ else {}
        defaults = {"GRPC_PORT": "0", "REST_PORT": "0", "LOG_FORMAT": "json"}
        self._environment = {**inherited, **defaults, **engine, **environment}
        self._process: BaseProcess | None = None
        self._reader: threading.Thread | None = None
        self._changed = threading.Condition()
        self.events: list[dict[str, Any]] = []
        self.output: list[str] = []

    @property
    def port(self) -> int:
        """The gRPC port."""
        return int(self._environment["GRPC_PORT"])

    @property
    def target(self) -> str:
        """The gRPC address."""
        return f"127.0.0.1:{self.port}"

    @property
    def rest_port(self) -> int:
        """The REST port."""
        return int(self._environment["REST_PORT"])

    @property
    def rest_url(self) -> str:
        """The REST URL."""
        scheme = "https" if "TLS_CERT_FILE" in self._environment else "http"
        return f"{scheme}://127.0.0.1:{self.rest_port}"

    @property
    def monitoring_port(self) -> int:
        """The monitoring port; ``MONITORING_PORT`` must be set."""
        return int(self._environment["MONITORING_PORT"])

    @property
    def monitoring_url(self) -> str:
        """The monitoring URL."""
        return f"http://127.0.0.1:{self.monitoring_port}"

    @property
    def engine(self) -> Engine:
        """The gRPC engine."""
        return Engine(self._environment.get("GRPC_ENGINE", Settings.model_fields["grpc_engine"].default))

    @property
    def process_id(self) -> int:
        """The id of the server's process."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def start(self) -> "RunningService":
        """Start the service, and wait until it listens."""
        self.spawn()
        for transport in ("grpc", "rest", *(["monitoring"] if "MONITORING_PORT" in self._environment else [])):
            listening = self.wait_for("listening", transport=transport)
            self._environment[f"{transport.upper()}_PORT"] = str(listening["port"])
        return self

    def spawn(self) -> None:
        """Start the service without waiting."""
        self.events = []
        self.output = []
        output, end = Pipe(duplex=False)
        environment = RunningService.as_service(self._environment)
        with end:
            self._process = (
                programs.start("server", environment=environment, output=end, errors=end)
                if self._program is None
                else programs.start_file(self._program, "serve", environment=environment, output=end, errors=end)
            )
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()

    def wait_for(self, name: str, **fields: object) -> dict[str, Any]:
        """Wait for a log event with this name and these fields, and return the first one since the service started."""
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        with self._changed:
            while True:
                for event in self.events:
                    if event["event"] == name and fields.items() <= event.items():
                        return event
                left = deadline - time.monotonic()
                if left <= 0 or (self._process is not None and not self._process.is_alive()):
                    message = f"no log event {name!r}; the output of the service was:\n{''.join(self.output)}"
                    raise AssertionError(message)
                self._changed.wait(min(left, 0.5))

    def take_log(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the log events and the output lines since the last call, and remove them from the log."""
        with self._changed:
            taken = self.events, self.output
            self.events, self.output = [], []
        return taken

    def stop(self) -> int:
        """Stop the service (SIGTERM), and return its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill the service (SIGKILL)."""
        self.send(signal.SIGKILL)
        self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the service, if it is running."""
        if self.is_running:
            os.kill(self.process_id, number)

    def wait(self) -> int:
        """Wait until the service ends, check its whole output for secrets, and return its exit code."""
        assert self._process is not None
        assert self._reader is not None
        self._process.join(_STOP_TIMEOUT_SECONDS)
        exit_code = self._process.exitcode
        assert exit_code is not None, f"the server has not ended within {_STOP_TIMEOUT_SECONDS} s"
        self._reader.join(_STOP_TIMEOUT_SECONDS)
        secrets = secrets_in(self.output)
        if secrets:
            raise AssertionError("\n".join(["the service printed secrets:", *secrets]))
        return exit_code

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.is_alive()

    def _read(self, output: Connection) -> None:
        with output, open(output.fileno(), encoding="utf-8", closefd=False) as lines:
            for line in lines:
                self._add(line)

    def _add(self, line: str) -> None:
        with self._changed:
            self.output.append(line)
            # The last line of a killed service may be incomplete.
            if line.startswith("{") and line.endswith("\n"):
                self.events.append(json.loads(line))
            self._changed.notify_all()
