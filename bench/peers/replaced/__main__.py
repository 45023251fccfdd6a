"""``python -m bench.peers.replaced``: run it on PEER_PORT, until it is told to stop."""

import os

import uvicorn

from bench.peers.replaced.app import make_app

if __name__ == "__main__":
    uvicorn.run(
        make_app(os.environ), host="127.0.0.1", port=int(os.environ["PEER_PORT"]), log_level="error", access_log=False
    )
