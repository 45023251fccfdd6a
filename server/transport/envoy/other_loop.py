"""Run an ASGI application in another event loop than that of its server.

pyvoy has an event loop for each listener. The service runs in one, so that gRPC and REST share its pool and its limits.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Result = TypeVar("Result")


class InOtherLoop:
    """An ASGI application that runs ``app`` in ``loop``, whichever loop it is called in."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, *, look_seconds: float = 1.0) -> None:
        """Set the application and its loop, and how often to look for the client of a complete request."""
        self._look_seconds = look_seconds
        self._app = app
        self._loop = loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._answer(scope, receive, send), self._loop))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_complete = False

        async def receive_here() -> Message:
            """Return the next part of the request, and after the last one wait until the client is gone.

            pyvoy returns empty parts at once instead of waiting, while Starlette asks in a loop.
            """
            nonlocal is_complete
            while True:
                event = await _of_other_loop(receive())
                if event["type"] != "http.request" or not is_complete:
                    is_complete = not event.get("more_body", False)
                    return event
                await asyncio.sleep(self._look_seconds)

        async def send_here(event: Message) -> None:
            await _of_other_loop(send(event))

        await self._app(scope, receive_here, send_here)


async def _of_other_loop(awaitable: Awaitable[Result]) -> Result:
    """Await what may be a future of another loop, and never cancel it: pyvoy sets its result nevertheless."""
    if not isinstance(awaitable, asyncio.Future):
        return await awaitable
    here = asyncio.get_running_loop()
    waiter: asyncio.Future[Result] = here.create_future()

    def pass_on(done: asyncio.Future[Result]) -> None:
        here.call_soon_threadsafe(_settle, waiter, done)

    awaitable.get_loop().call_soon_threadsafe(awaitable.add_done_callback, pass_on)
    return await waiter


def _settle(waiter: "asyncio.Future[Any]", done: "asyncio.Future[Any]") -> None:
    if waiter.cancelled():
        return
    error = done.exception()
    if error is None:
        waiter.set_result(done.result())
    else:
        waiter.set_exception(error)
