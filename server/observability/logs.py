"""Structured logs: one JSON object a line for machines, coloured lines for people."""

import asyncio
import atexit
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import orjson
import structlog

from server.domain.card_number import without_card_numbers

log_context: ContextVar[Mapping[str, str]] = ContextVar("log_context")
"""What every event is logged with, in the task that sets it and in those that it starts."""

_NO_CONTEXT: Mapping[str, str] = {}

_REPEATED_SECONDS = 1.0

_STACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""Stacks without the values of variables: a secret may be among them."""

_log = structlog.get_logger(__name__)


class LogCall(Protocol):
    """Logs that a call ended."""

    def __call__(self, code: str, duration_ms: float, caller: str, peer: str) -> None:
        """Log it: how it ended, how long it took, who called, and from where."""


class _StandardOutput:
    """Standard output that never fails: a log that cannot be written must not fail the call that it tells of.

    What one turn of the event loop logs is written at once at its end: a write for each event would cost a call a
    tenth of its time. An error does not wait for that, lest it tells of what ends the process.
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        atexit.register(self._write_lines)

    def write(self, text: str) -> None:
        """Write text, as streams do."""
        self.write_line(text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Do nothing: what is written leaves soon."""

    def write_line(self, line: bytes) -> None:
        """Write a line, which has its end."""
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
        """Log a rendered event, and all before it, at once."""
        self.write(event + "\n")
        self._write_lines()

    critical = error

    def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            _write(b"".join(lines))


def _write(rest: bytes) -> None:
    with suppress(OSError):
        while rest:
            rest = rest[os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, rest) :]


def configure_logs(log_format: Literal["auto", "json", "console"], level: str) -> None:
    """Send every event of ``level`` or above to standard output; ``auto`` is for people on a terminal, else JSON."""
    output = _StandardOutput()
    for_people = log_format == "console" or (log_format == "auto" and sys.stdout.isatty())
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback), _hide_card_numbers]
        if for_people
        else [
            structlog.processors.ExceptionRenderer(_STACKS),
            _hide_card_numbers,
            structlog.processors.JSONRenderer(_json),
        ]
    )
    shared: list[structlog.typing.Processor] = [
        _add_context,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: output,
        cache_logger_on_first_use=True,
    )
    # What libraries log through the standard library takes the same form.
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    global _log_call  # noqa: PLW0603 - how events are logged is the whole process' own
    if logging.getLevelNamesMapping()[level.upper()] > logging.INFO:
        _log_call = _do_not_log_call
    elif not for_people:
        _log_call = json_call_log(output.write_line)


class RepeatedWarning:
    """A warning of what may come thousands of times a second: logged once a second, with how often it came."""

    def __init__(self, event: str) -> None:
        """Log it as ``event``."""
        self._event = event
        self._count = 0
        self._fields: dict[str, object] = {}

    def count(self, **fields: object) -> None:
        """Count one; the log shows the ``fields`` of the last."""
        if not self._count:
            # Without the context of a call, because the line is of many.
            asyncio.get_running_loop().call_later(_REPEATED_SECONDS, self._log, context=Context())
        self._count += 1
        self._fields = fields

    def _log(self) -> None:
        _log.warning(self._event, count=self._count, **self._fields)
        self._count = 0


def call_log() -> LogCall:
    """Return what logs the end of a call, as the event ``call``; it is asked for once ``configure_logs`` was called.

    It is the one event that comes with every call, so that in JSON it takes a shorter way to the same line than others.
    """
    return _log_call


def _log_call_as_others(code: str, duration_ms: float, caller: str, peer: str) -> None:
    _log.info("call", code=code, duration_ms=duration_ms, caller=caller, peer=peer)


def _do_not_log_call(code: str, duration_ms: float, caller: str, peer: str) -> None:
    pass


def json_call_log(write_line: Callable[[bytes], None]) -> LogCall:
    """Return what logs the end of a call in JSON, and has the line written."""
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE

    def log_call(code: str, duration_ms: float, caller: str, peer: str) -> None:
        event = {
            "code": code,
            "duration_ms": duration_ms,
            "caller": caller,
            "peer": peer,
            "event": "call",
            **log_context.get(_NO_CONTEXT),
            "level": "info",
            "timestamp": datetime.now(UTC),
        }
        try:
            line = orjson.dumps(event, option=options)
        except TypeError:
            _log_call_as_others(code, duration_ms, caller, peer)
        else:
            write_line(line)

    return log_call


_log_call: LogCall = _log_call_as_others


def _add_context(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.update(log_context.get(_NO_CONTEXT))
    return event


def _hide_card_numbers(_logger: object, method: str, event: Any) -> Any:  # noqa: ANN401 - an event in any form
    """Hide what looks like a card number in an event that tells of trouble: it may quote what a caller sent.

    Others have what the service made itself, or let through as a name of a call, and must cost little.
    """
    return event if method in {"debug", "info"} else _without_card_numbers(event)


def _without_card_numbers(value: object) -> object:
    match value:
        case str():
            return without_card_numbers(value)
        case dict():
            return {key: _without_card_numbers(one) for key, one in value.items()}
        case list() | tuple():
            return [_without_card_numbers(one) for one in value]
        case _:
            return value


def _json(event: Mapping[str, Any], **_options: object) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:
        # Text that is no Unicode, such as half of a surrogate pair.
        return json.dumps(event, default=repr, separators=(",", ":"))
