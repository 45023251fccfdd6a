"""Toxiproxy: proxies that simulate network faults, controlled by an HTTP API.

https://github.com/Shopify/toxiproxy; ``make .bin/toxiproxy`` builds it.
"""

import subprocess
import time
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.support.ports import free_port

_PROGRAM = Path(__file__).resolve().parent.parent.parent / ".bin" / "toxiproxy"
_START_TIMEOUT_SECONDS = 30


class Stream(StrEnum):
    """The direction of data."""

    TO_SERVER = "upstream"
    TO_CLIENT = "downstream"


class Proxy:
    """A proxy that listens on ``port`` and forwards connections to another port."""

    def __init__(self, api: httpx.Client, name: str, port: int) -> None:
        """Control the proxy ``name``, which listens on ``port``."""
        self._api = api
        self._name = name
        self.port = port

    def add(self, kind: str, stream: Stream, **attributes: int) -> None:
        """Add a toxic to every connection. Toxiproxy's README describes them under "Toxics"."""
        toxic = {"name": f"{kind}_{stream}", "type": kind, "stream": stream, "attributes": attributes}
        self._api.post(f"/proxies/{self._name}/toxics", json=toxic).raise_for_status()

    def clear(self) -> None:
        """Remove all toxics, and close the connections that were held back."""
        for toxic in self._api.get(f"/proxies/{self._name}/toxics").raise_for_status().json():
            self._api.delete(f"/proxies/{self._name}/toxics/{toxic['name']}").raise_for_status()


class Toxiproxy:
    """Runs the Toxiproxy program within the context."""

    def __init__(self, log: Path) -> None:
        """Set the log file, without starting the program."""
        self._log = log
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=30)

    def proxy(self, name: str, to_port: int, to_host: str = "127.0.0.1") -> Proxy:
        """Create a proxy for a port of this machine."""
        port = free_port()
        definition = {"name": name, "listen": f"127.0.0.1:{port}", "upstream": f"{to_host}:{to_port}", "enabled": True}
        self._api.post("/proxies", json=definition).raise_for_status()
        return Proxy(self._api, name, port)

    def __enter__(self) -> Self:
        """Start the program, and wait until it responds."""
        assert _PROGRAM.exists(), "Toxiproxy is missing: run `make .bin/toxiproxy`"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(_PROGRAM), "-host", "127.0.0.1", "-port", str(self._port)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while True:
            try:
                self._api.get("/version").raise_for_status()
            except httpx.TransportError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self._stop()
                    raise
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the program."""
        self._stop()

    def _stop(self) -> None:
        self._api.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
