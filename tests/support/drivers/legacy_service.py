"""The legacy service in a process of its own, for tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from tests.support.programs import ROOT

_START_TIMEOUT_SECONDS = 30


@contextmanager
def running_legacy_service(settings: Mapping[str, str]) -> Iterator[str]:
    """Run the legacy service on a free port, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    environment = {"PATH": os.environ["PATH"], "PEER_PORT": str(port), **settings}
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", "bench.peers.legacy"], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not _answers(url):
            assert process.poll() is None, "the legacy service did not start"
            assert time.monotonic() < deadline, "the legacy service did not answer"
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/payments?per_page=1", timeout=1).is_success
    except httpx.TransportError:
        return False
