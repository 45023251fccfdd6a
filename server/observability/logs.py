"""Structured logs: one JSON object per line for machines, colored lines for people."""

import asyncio
import atexit
import json
import logging
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import orjson
import structlog

from server.domain.card_number import without_card_numbers

log_context: ContextVar[Mapping[str, str]] = ContextVar("log_context")
"""Fields added to every event, in the task that sets them and in the tasks that it starts."""

_NO_CONTEXT: Mapping[str, str] = {}

_REPEAT_INTERVAL_SECONDS = 1.0

_FORMAT_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""Omits local variables, because one may hold a secret."""

_log = structlog.get_logger(__name__)


class LogCall(Protocol):
    """Logs the end of a call."""

    def __call__(self, code: str, duration_ms: float, caller: str, peer: str) -> None:
        """Log the status code, duration, caller and network address of a call."""


class _StandardOutput:
    """Standard output that never fails, because a log that cannot be written must not fail the call.

    The lines logged in one event loop iteration are written together at its end, because a write for each line would
    cost a tenth of a call's time. Errors are written immediately, because the process may be about to die.
    """

    def __init__(self, *, is_shared: bool) -> None:
        """Write to the output of this process; other processes may write to it too if it ``is_shared``."""
        self._is_shared = is_shared
        self._lines: list[bytes] = []
        atexit.register(self._write_lines)

    def write(self, text: str) -> None:
        """Write text; a stream handler needs this method."""
        self.write_line(text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Do nothing, because lines are written at the end of the event loop iteration."""

    def write_line(self, line: bytes) -> None:
        """Write a line that ends with a newline."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            _write(line)
            return
        if not self._lines:
            loop.call_soon(self._write_lines)
        self._lines.append(line)

    def info(self, event: str) -> None:
        """Log a rendered event."""
        self.write(event + "\n")

    debug = warning = info

    def error(self, event: str) -> None:
        """Log a rendered event immediately, with all buffered lines before it."""
        self.write(event + "\n")
        self._write_lines()

    critical = error

    def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        if self._is_shared:
            for part in _parts(lines):
                _write(part)
        elif lines:
            _write(b"".join(lines))


def _parts(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the lines in parts that a pipe receives as a whole, whatever other processes write meanwhile.

    A line that is too long for that, such as an error with its traceback, may be torn.
    """
    part: list[bytes] = []
    size = 0
    for line in lines:
        if size + len(line) > select.PIPE_BUF and part:
            yield b"".join(part)
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield b"".join(part)


def _write(data: bytes) -> None:
    with suppress(OSError):
        while data:
            data = data[os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, data) :]


def configure_logs(log_format: Literal["auto", "json", "console"], level: str, *, worker: int | None = None) -> None:
    """Log events of ``level`` or above to standard output; ``auto`` means console on a terminal, otherwise JSON.

    If this process is one of several workers, every event has its number, ``worker``.
    """
    output = _StandardOutput(is_shared=worker is not None)
    of_process: Mapping[str, object] = {} if worker is None else {"worker": worker}

    def add_context(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(log_context.get(_NO_CONTEXT))
        event.update(of_process)
        return event

    is_console = log_format == "console" or (log_format == "auto" and sys.stdout.isatty())
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback), _hide_card_numbers]
        if is_console
        else [
            structlog.processors.ExceptionRenderer(_FORMAT_TRACEBACK),
            _hide_card_numbers,
            structlog.processors.JSONRenderer(_json),
        ]
    )
    shared: list[structlog.typing.Processor] = [
        add_context,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: output,
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library; their events take the same form.
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the URL of each request
    global _log_call  # noqa: PLW0603 - logging is configured for the whole process
    if logging.getLevelNamesMapping()[level.upper()] > logging.INFO:
        _log_call = _do_not_log_call
    elif not is_console:
        _log_call = json_call_log(output.write_line, of_process)


class RepeatedWarning:
    """A warning that may occur thousands of times a second: logged once a second, with the number of occurrences."""

    def __init__(self, event: str) -> None:
        """Log the warning as ``event``."""
        self._event = event
        self._count = 0
        self._fields: dict[str, object] = {}

    def count(self, **fields: object) -> None:
        """Count one occurrence; the log shows the ``fields`` of the last."""
        if not self._count:
            # In an empty context, because the line is about many calls.
            asyncio.get_running_loop().call_later(_REPEAT_INTERVAL_SECONDS, self._log, context=Context())
        self._count += 1
        self._fields = fields

    def _log(self) -> None:
        _log.warning(self._event, count=self._count, **self._fields)
        self._count = 0


def call_log() -> LogCall:
    """Return the function that logs the end of a call as the event ``call``. Call it after ``configure_logs``.

    This event is logged for every call, so JSON has a faster path for it, which writes the same line.
    """
    return _log_call


def _log_call_by_structlog(code: str, duration_ms: float, caller: str, peer: str) -> None:
    _log.info("call", code=code, duration_ms=duration_ms, caller=caller, peer=peer)


def _do_not_log_call(code: str, duration_ms: float, caller: str, peer: str) -> None:
    pass


def json_call_log(write_line: Callable[[bytes], None], of_process: Mapping[str, object] | None = None) -> LogCall:
    """Return a function that logs the end of a call in JSON through ``write_line``, with the fields ``of_process``."""
    of_process = of_process or {}
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE

    def log_call(code: str, duration_ms: float, caller: str, peer: str) -> None:
        event = {
            "code": code,
            "duration_ms": duration_ms,
            "caller": caller,
            "peer": peer,
            "event": "call",
            **log_context.get(_NO_CONTEXT),
            **of_process,
            "level": "info",
            "timestamp": datetime.now(UTC),
        }
        try:
            line = orjson.dumps(event, option=options)
        except TypeError:
            _log_call_by_structlog(code, duration_ms, caller, peer)
        else:
            write_line(line)

    return log_call


_log_call: LogCall = _log_call_by_structlog


def _hide_card_numbers(_logger: object, method: str, event: Any) -> Any:  # noqa: ANN401 - an event in any form
    """Hide apparent card numbers in warnings and errors, which may quote what a caller sent.

    Debug and info events are left unchanged: they must be cheap, and contain only values that the service created, or
    accepted as the id of a call.
    """
    return event if method in {"debug", "info"} else _without_card_numbers(event)


def _without_card_numbers(value: object) -> object:
    match value:
        case str():
            return without_card_numbers(value)
        case dict():
            return {key: _without_card_numbers(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_card_numbers(item) for item in value]
        case _:
            return value


def _json(event: Mapping[str, Any], **_options: object) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:
        # The text is not valid Unicode: it contains half of a surrogate pair, for example.
        return json.dumps(event, default=repr, separators=(",", ":"))
