"""The log: calls take a faster path than other events, and their lines look the same."""

import json
import re
import select
import subprocess
import sys
from typing import Any

import pytest

from server.observability.logs import _parts
from tests.support.programs import ROOT

CALL: dict[str, Any] = {
    "code": "OK",
    "duration_ms": 12.35,
    "caller": 'shop "north"\n\x00\\ é \N{PILE OF POO}',
    "peer": "ipv4:127.0.0.1:34567",
}
CONTEXT = {"request_id": 'ticket-7 "</script>', "rpc": "Charge"}
NOT_UNICODE = {**CALL, "caller": "half \ud800"}

PROGRAM = """
import asyncio, os, sys
import structlog
from server.observability.logs import call_log, configure_logs, log_context

configure_logs({log_format!r}, {level!r}, worker={worker!r})
logger = structlog.get_logger()

async def main():
    log_context.set({context!r})
    log_call = call_log()
    {body}

asyncio.new_event_loop().run_until_complete(main())
"""


def log_lines(
    body: str, log_format: str = "json", level: str = "info", worker: int | None = None, **names: object
) -> list[str]:
    """Run a program with this body, and return the lines that it logs."""
    program = PROGRAM.format(
        log_format=log_format, level=level, worker=worker, context=CONTEXT, body=body.format(**names)
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode().splitlines()


def without_time(line: str) -> str:
    return re.sub(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?Z", "TIME", line)


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("call", [CALL, {**CALL, "caller": ""}, NOT_UNICODE])
def test_a_call_is_logged_like_any_other_event(log_format: str, call: dict[str, Any]) -> None:
    body = "log_call(**{call!r}); logger.info('call', **{call!r})"
    fast, usual = map(without_time, log_lines(body, log_format, call=call))
    assert fast == usual
    assert "TIME" in fast


def test_the_fields_of_a_call_are_in_order() -> None:
    (line,) = log_lines("log_call(**{call!r})", call=CALL)
    assert list(json.loads(line).items())[:-1] == [
        *CALL.items(),
        ("event", "call"),
        *CONTEXT.items(),
        ("level", "info"),
    ]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_all_events_of_a_worker_have_its_number(log_format: str) -> None:
    body = "log_call(**{call!r}); logger.info('call', **{call!r}); logging.getLogger('library').warning('other')"
    lines = log_lines(f"import logging; {body}", log_format, worker=3, call=CALL)
    assert without_time(lines[0]) == without_time(lines[1])
    assert len(lines) == 3
    for line in lines:
        assert ('"worker":3' if log_format == "json" else "worker=3") in re.sub(r"\x1b\[\d*m", "", line)


def test_lines_that_a_worker_writes_together_are_not_torn_by_those_of_another() -> None:
    lines = [b"x" * length + b"\n" for length in (1000, 3000, 96, 1, 5000, 1, 1)]
    parts = list(_parts(lines))
    assert b"".join(parts) == b"".join(lines)
    assert all(part.endswith(b"\n") for part in parts)
    assert [len(part) for part in parts if len(part) > select.PIPE_BUF] == [5001]
    assert len(parts) == 4


def test_a_call_is_not_logged_at_level_warning() -> None:
    assert log_lines("log_call(**{call!r})", level="warning", call=CALL) == []


def test_events_on_both_paths_stay_in_order() -> None:
    body = "log_call(**{call!r}); logger.warning('between'); log_call(**{call!r}); logger.error('last')"
    assert [json.loads(line)["event"] for line in log_lines(body, call=CALL)] == ["call", "between", "call", "last"]


def test_the_lines_of_one_event_loop_iteration_are_one_write_at_its_end() -> None:
    body = """
    writes, write = [], os.write
    os.write = lambda file, line: writes.append(line) or write(file, line)
    for _ in range(3):
        log_call(**{call!r})
    assert not writes
    await asyncio.sleep(0)
    assert len(writes) == 1, writes
    """
    assert len(log_lines(body.strip(), call=CALL)) == 3


def test_an_error_and_all_lines_before_it_are_written_immediately() -> None:
    body = "log_call(**{call!r}); logger.error('fatal'); os._exit(0)"
    assert [json.loads(line)["event"] for line in log_lines(body, call=CALL)] == ["call", "fatal"]


def test_the_last_lines_are_written_when_the_program_ends() -> None:
    body = """
    asyncio.get_running_loop().call_soon(lambda: (log_call(**{call!r}), sys.exit()))
    await asyncio.sleep(60)
    """
    assert len(log_lines(body.strip(), call=CALL)) == 1


def test_the_requests_that_the_service_sends_are_not_logged() -> None:
    body = "import logging; [logging.getLogger(name).info('sent') for name in ('httpx', 'other')]"
    assert [json.loads(line)["event"] for line in log_lines(body)] == ["sent"]
