"""Structured logs: one JSON object a line for machines, coloured lines for people."""

import asyncio
import atexit
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Literal

import orjson
import structlog

from server.domain.card_number import without_card_numbers

log_context: ContextVar[Mapping[str, str]] = ContextVar("log_context")
"""What every event is logged with, in the task that sets it and in those that it starts."""

_STACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""Stacks without the values of variables: a secret may be among them."""


class _StandardOutput:
    """Standard output that never fails: a log that cannot be written must not fail the call that it tells of.

    What one turn of the event loop logs is written at once at its end: a write for each event would cost a call a
    tenth of its time.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        atexit.register(self._write_lines)

    def write(self, text: str) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            _write(text)
            return
        if not self._lines:
            loop.call_soon(self._write_lines)
        self._lines.append(text)

    def flush(self) -> None:
        pass

    def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            _write("".join(lines))


def _write(text: str) -> None:
    rest = text.encode(errors="backslashreplace")
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
        logger_factory=structlog.WriteLoggerFactory(output),  # type: ignore[arg-type]
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


def _add_context(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.update(log_context.get({}))
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
    return orjson.dumps(event, default=repr).decode()
