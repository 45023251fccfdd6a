"""``python -m bench.peers.without_metrics``: run this variant with the settings of the service."""

from server.__main__ import run

if __name__ == "__main__":
    run("bench.peers.without_metrics.build:without_metrics")
