"""The snapshot misses no log event, because an unsupported form of a logging call fails."""

import logging

import pytest
import structlog

from server.observability.logs import RepeatedWarning
from tests.surface.log_events import logged_events
from tests.surface.sources import UnsupportedForm, parse

NAMES = {"structlog": structlog, "logging": logging, "RepeatedWarning": RepeatedWarning}


@pytest.mark.parametrize(
    "line",
    [
        "_log.info(event)",
        "_log.info('event', **fields)",
        "_log.info('event', 1)",
        "_log.bind(key=1)",
        "say(_log.info)",
        "self._log.info('event')",
        "logger_of_another_module.info('event')",
        "logging.warning('event')",
        "log = structlog.get_logger()",
        "self.log = structlog.get_logger()",
        "logger = logging.getLogger(__name__)",
        "self.refused = RepeatedWarning('event')",
        "RepeatedWarning('event').count()",
    ],
)
def test_an_unsupported_form_of_a_logging_call_fails(line: str) -> None:
    text = f"_log = structlog.get_logger()\nclass C:\n    def f(self, event, fields):\n        {line}"
    with pytest.raises(UnsupportedForm, match=r"module\.py:\d+: "):
        list(logged_events(parse("module.py", text, NAMES)))
