"""``python -m bench.peers.direct``: run this variant with the settings of the service."""

from server.__main__ import run

if __name__ == "__main__":
    run("bench.peers.direct.build:direct")
