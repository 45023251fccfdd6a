"""``python -m bench.peers.plain_python``: run this service, with the names of the service's settings."""

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

import aiomysql
import grpc
import uvloop
from payments_client.v1.payments_pb2_grpc import add_PaymentServiceServicer_to_server

from bench.peers.plain_python.service import PaymentService
from bench.peers.plain_python.store import PaymentStore

_MAX_CONNECTIONS = 32
"""As in the Go peer."""

_GRACE_SECONDS = 5


async def serve(settings: Mapping[str, str]) -> None:
    """Accept calls until SIGTERM, and then complete those in flight."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with aiomysql.create_pool(**_connect_arguments(settings), maxsize=_MAX_CONNECTIONS) as pool:
        server = grpc.aio.server()
        probability = float(settings.get("SUCCESS_PROBABILITY", "0.6"))
        # The RPCs that are left out answer UNIMPLEMENTED.
        service = PaymentService(PaymentStore(pool), probability)  # type: ignore[abstract]
        add_PaymentServiceServicer_to_server(service, server)
        server.add_insecure_port(f"127.0.0.1:{settings['GRPC_PORT']}")
        await server.start()
        await stopped.wait()
        await server.stop(_GRACE_SECONDS)


def _connect_arguments(settings: Mapping[str, str]) -> dict[str, Any]:
    address: dict[str, Any] = (
        {"unix_socket": settings["MYSQL_SOCKET"]}
        if settings.get("MYSQL_SOCKET")
        else {"host": settings["MYSQL_HOST"], "port": int(settings.get("MYSQL_PORT", "3306"))}
    )
    return address | {
        "user": settings["MYSQL_USER"],
        "password": settings.get("MYSQL_PASSWORD", ""),
        "db": settings["MYSQL_DB"],
        "charset": "utf8mb4",
        "autocommit": True,
        "cursorclass": aiomysql.DictCursor,
        "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    }


if __name__ == "__main__":
    uvloop.run(serve(os.environ))
