"""The log: the end of a call takes a shorter way than other events, to the same line."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

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

configure_logs({log_format!r}, {level!r})
other = structlog.get_logger()

async def main():
    log_context.set({context!r})
    log_call = call_log()
    {body}

asyncio.new_event_loop().run_until_complete(main())
"""


def say(body: str, log_format: str = "json", level: str = "info", **names: object) -> list[str]:
    """Return the lines that a program logs."""
    program = PROGRAM.format(log_format=log_format, level=level, context=CONTEXT, body=body.format(**names))
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode().splitlines()


def without_time(line: str) -> str:
    return re.sub(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?Z", "TIME", line)


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("call", [CALL, {**CALL, "caller": ""}, NOT_UNICODE])
def test_a_call_is_logged_as_any_event_is(log_format: str, call: dict[str, Any]) -> None:
    body = "log_call(**{call!r}); other.info('call', **{call!r})"
    short, long = map(without_time, say(body, log_format, call=call))
    assert short == long
    assert "TIME" in short


def test_a_line_of_a_call_has_its_fields_in_their_order() -> None:
    (line,) = say("log_call(**{call!r})", call=CALL)
    assert list(json.loads(line).items())[:-1] == [
        *CALL.items(),
        ("event", "call"),
        *CONTEXT.items(),
        ("level", "info"),
    ]


def test_a_call_is_not_logged_where_only_warnings_are() -> None:
    assert say("log_call(**{call!r})", level="warning", call=CALL) == []


def test_events_keep_their_order_whichever_way_they_take() -> None:
    body = "log_call(**{call!r}); other.warning('between'); log_call(**{call!r}); other.error('last')"
    assert [json.loads(line)["event"] for line in say(body, call=CALL)] == ["call", "between", "call", "last"]


def test_what_a_turn_of_the_loop_logs_is_one_write_at_its_end() -> None:
    body = """
    writes, write = [], os.write
    os.write = lambda file, line: writes.append(line) or write(file, line)
    for _ in range(3):
        log_call(**{call!r})
    assert not writes
    await asyncio.sleep(0)
    assert len(writes) == 1, writes
    """
    assert len(say(body.strip(), call=CALL)) == 3


def test_an_error_and_all_before_it_are_written_before_the_process_can_die() -> None:
    body = "log_call(**{call!r}); other.error('fatal'); os._exit(0)"
    assert [json.loads(line)["event"] for line in say(body, call=CALL)] == ["call", "fatal"]


def test_what_is_logged_last_is_written_when_the_program_ends() -> None:
    body = """
    asyncio.get_running_loop().call_soon(lambda: (log_call(**{call!r}), sys.exit()))
    await asyncio.sleep(60)
    """
    assert len(say(body.strip(), call=CALL)) == 1
