"""``python -m bench.peers.legacy``: run the legacy service on PEER_PORT."""

import os

import uvicorn

from bench.peers.legacy.app import make_app

if __name__ == "__main__":
    uvicorn.run(
        make_app(os.environ), host="127.0.0.1", port=int(os.environ["PEER_PORT"]), log_level="error", access_log=False
    )
