"""Read the metrics of a running service."""

import httpx

from tests.support.running_service import RunningService


def metric(running: RunningService, name: str) -> float:
    """Return the value of a metric; ``name`` includes its labels, as ``/metrics`` writes them."""
    for line in httpx.get(f"{running.rest_url}/metrics").text.splitlines():
        if line.split(" ")[0] == name:
            return float(line.split(" ")[1])
    raise AssertionError(f"there is no metric {name}")
