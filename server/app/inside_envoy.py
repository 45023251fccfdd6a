"""The service inside Envoy: the ASGI applications that pyvoy calls. The lifespan of the first one runs the service."""

import asyncio
import os
import pkgutil
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import NoReturn

import structlog
from starlette.types import Receive, Scope, Send

from server.app.build import BuildApplication
from server.app.errors import StartupError
from server.app.lifecycle import run
from server.app.startup import load_settings_of_process, number_of
from server.app.workers.worker import Worker
from server.observability.logs import configure_logs
from server.transport.envoy.admin import Admin
from server.transport.envoy.configuration import GRPC_LISTENER, REST_LISTENER
from server.transport.envoy.folder import admin_socket
from server.transport.envoy.process import BUILD_VARIABLE, FOLDER_VARIABLE, STOP_SIGNALS
from server.transport.envoy.servers import Envoy
from server.transport.envoy.tls import PublishedTls

_log = structlog.get_logger(__name__)


class _Service:
    """The service, from the start of Envoy until its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._envoy = Envoy(Admin(admin_socket(folder)), PublishedTls(folder))
        self._stop = asyncio.Event()
        self._worker = Worker.from_environment()

    async def run_lifespan(self, receive: Receive, send: Send) -> None:
        """Run the service for as long as Envoy runs: a stop signal ends the service, and then Envoy."""
        await receive()
        _on_stop_signal(asyncio.get_running_loop(), self._stop)
        service = asyncio.create_task(self._serve())
        drain = asyncio.create_task(self._drain())
        may_listen = asyncio.create_task(self._envoy.may_listen.wait())
        await asyncio.wait((service, may_listen), return_when=asyncio.FIRST_COMPLETED)
        if may_listen.done():
            await send({"type": "lifespan.startup.complete"})
        exit_code = await service
        drain.cancel()
        if exit_code or not may_listen.done():
            # Envoy ignores requests to end while it reads its configuration, and always exits with 0.
            self._exit(exit_code)
        await self._envoy.admin.quit()
        await receive()
        self._remove_files()
        await send({"type": "lifespan.shutdown.complete"})

    async def _drain(self) -> None:
        """Begin Envoy's part of the drain with the service's: clients leave with the next response to them."""
        await self._stop.wait()
        if self._envoy.may_listen.is_set():
            await self._envoy.admin.begin_drain()

    async def serve(self, listener: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to a listener."""
        await self._envoy.applications[listener](scope, receive, send)

    async def _serve(self) -> int:
        """Run the service, and return the exit code of the process."""
        settings, worker = load_settings_of_process()
        configure_logs(settings.log_format, settings.log_level, worker=number_of(worker))
        if worker is not None:
            worker.stop_with_supervisor(self._stop, settings.drain_timeout_seconds)
        try:
            build_application: BuildApplication = pkgutil.resolve_name(os.environ[BUILD_VARIABLE])
            await run(build_application(settings, envoy=self._envoy, worker=worker), self._stop)
        except StartupError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except Exception:  # noqa: BLE001 - any error ends the process, as it does without Envoy
            traceback.print_exc()
            return 1
        _log.info("stopped")
        return 0

    def _exit(self, code: int) -> NoReturn:
        self._remove_files()
        os._exit(code)

    def _remove_files(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._worker is not None:
            self._worker.leave()


def _on_stop_signal(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set ``stop`` on the first stop signal. Envoy and its threads have them blocked, so a thread can wait for them."""

    def wait() -> None:
        signal.sigwait(STOP_SIGNALS)
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait, name="signals", daemon=True).start()


_service: _Service | None = None


async def grpc(scope: Scope, receive: Receive, send: Send) -> None:
    """Run the service (``lifespan``), or serve one gRPC call."""
    global _service  # noqa: PLW0603 - pyvoy calls a module's functions, so the state is the module's
    if _service is None:
        _service = _Service(Path(os.environ[FOLDER_VARIABLE]))
        await _service.run_lifespan(receive, send)
    else:
        await _service.serve(GRPC_LISTENER, scope, receive, send)


async def rest(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one REST request."""
    assert _service is not None, "Envoy loads the application of gRPC first"
    await _service.serve(REST_LISTENER, scope, receive, send)
