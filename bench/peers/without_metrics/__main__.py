"""``python -m bench.peers.without_metrics``: run this variant with the settings of the service."""

from bench.peers.without_metrics.build import without_metrics
from server.__main__ import run

if __name__ == "__main__":
    run(without_metrics)
