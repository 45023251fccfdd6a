"""The listeners of Envoy, as servers that the lifecycle of the application starts and stops."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp

from server.config.grpc import GrpcSettings
from server.transport.envoy.admin import Admin
from server.transport.envoy.configuration import GRPC_LISTENER
from server.transport.envoy.tls import PublishedTls
from server.transport.grpc.asgi.app import GrpcApp
from server.transport.grpc.server import Rejection
from server.transport.tls import Tls


class Envoy:
    """The Envoy that runs this process. It listens once the service has started."""

    grpc_app: ASGIApp

    def __init__(self, admin: Admin, published_tls: PublishedTls) -> None:
        """Administer Envoy through ``admin``, and pass changed TLS files to it through ``published_tls``."""
        self.admin = admin
        self._published_tls = published_tls
        self.may_listen = asyncio.Event()

    def grpc_server(self, settings: GrpcSettings) -> "EnvoyGrpcServer":
        """Return the server of the gRPC listener, which has no services yet."""
        app = self.grpc_app = GrpcApp(
            settings.grpc_max_message_bytes, settings.grpc_max_metadata_bytes, settings.grpc_read_timeout_seconds
        )
        return EnvoyGrpcServer(self, app)

    def follow(self, tls: Tls) -> None:
        """Let Envoy use the current files of ``tls`` whenever they have changed."""

        async def use_changed() -> None:
            updates = await self.admin.tls_updates()
            secrets = self._published_tls.publish(tls)
            await self.admin.wait_for_tls_updates(updates + secrets)

        tls.use_changed = use_changed

    async def listen(self) -> None:
        """Let Envoy listen, and wait until it does."""
        self.may_listen.set()
        await self.admin.wait_until_live()


class EnvoyGrpcServer:
    """gRPC over Envoy."""

    has_pushback = True

    def __init__(self, envoy: Envoy, app: GrpcApp) -> None:
        """Serve ``app``."""
        self.handlers = app
        self.port = 0
        self._envoy = envoy

    def reject_early(self, service: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject a call of ``service`` before its request is read, if ``rejection`` returns a status."""
        self.handlers.reject_early(service, rejection)

    def listen(self, host: str, port: int) -> None:
        """Do nothing: Envoy itself listens, on the address in its configuration."""

    async def start(self) -> None:
        """Serve calls from now on."""
        await self._envoy.listen()
        self.port = await self._envoy.admin.port(GRPC_LISTENER)

    async def stop(self, timeout_seconds: float) -> None:
        """Accept no more connections, and let Envoy send the last responses."""
        await self._envoy.admin.close_listeners()
        await asyncio.sleep(timeout_seconds)
