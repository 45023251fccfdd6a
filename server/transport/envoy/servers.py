"""The listeners of Envoy, as servers that the lifecycle of the application starts and stops."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp

from server.config.settings import Settings
from server.transport.envoy.admin import Admin
from server.transport.envoy.configuration import GRPC_LISTENER, REST_LISTENER
from server.transport.envoy.other_loop import InOtherLoop
from server.transport.envoy.rest import behind_envoy
from server.transport.envoy.tls import PublishedTls
from server.transport.grpc.asgi.app import GrpcApp
from server.transport.grpc.server import Rejection
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.tls import Tls


class Envoy:
    """The Envoy that runs this process. It listens once the service has started.

    ``applications`` has the ASGI application of each listener. That of REST may be called in any event loop.
    """

    def __init__(self, admin: Admin, published_tls: PublishedTls) -> None:
        """Administer Envoy through ``admin``, and pass changed TLS files to it through ``published_tls``."""
        self.admin = admin
        self.applications: dict[str, ASGIApp] = {}
        self.may_listen = asyncio.Event()
        self._published_tls = published_tls
        self._is_closed = False

    def grpc_server(self, settings: Settings, cross_site: CrossSiteRule) -> "EnvoyGrpcServer":
        """Return the server of the gRPC listener, which has no services yet.

        ``cross_site`` is the rule for web pages.
        """
        app = GrpcApp(
            settings.grpc_max_message_bytes,
            settings.grpc_max_metadata_bytes,
            settings.grpc_read_timeout_seconds,
            cross_site,
        )
        self.applications[GRPC_LISTENER] = app
        return EnvoyGrpcServer(self, app)

    def rest_server(self, app: ASGIApp, settings: Settings) -> "EnvoyServer":
        """Return the server of the REST listener, which serves ``app`` in the running event loop."""
        app = behind_envoy(app, settings.trusted_proxies)
        self.applications[REST_LISTENER] = InOtherLoop(app, asyncio.get_running_loop())
        return EnvoyServer(self, REST_LISTENER)

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

    async def close(self, timeout_seconds: float) -> None:
        """Accept no more connections on any listener, and let Envoy send the last responses."""
        if not self._is_closed:
            self._is_closed = True
            await self.admin.close_listeners()
            await asyncio.sleep(timeout_seconds)


class EnvoyServer:
    """One listener of Envoy."""

    def __init__(self, envoy: Envoy, listener: str) -> None:
        """Use the listener with this name."""
        self.port = 0
        self._envoy = envoy
        self._listener = listener

    def listen(self, host: str, port: int) -> None:
        """Do nothing: Envoy itself listens, on the address in its configuration."""

    async def start(self) -> None:
        """Serve from now on. All listeners of Envoy start with the first."""
        await self._envoy.listen()
        self.port = await self._envoy.admin.port(self._listener)

    async def stop(self, timeout_seconds: float) -> None:
        """Stop serving, on all listeners at once."""
        await self._envoy.close(timeout_seconds)


class EnvoyGrpcServer(EnvoyServer):
    """gRPC over Envoy."""

    def __init__(self, envoy: Envoy, app: GrpcApp) -> None:
        """Serve ``app``."""
        super().__init__(envoy, GRPC_LISTENER)
        self.handlers = app

    def reject_early(self, service: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject a call of ``service`` before its request is read, if ``rejection`` returns a status."""
        self.handlers.reject_early(service, rejection)
