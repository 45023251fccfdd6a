"""The result of one check of ``payments doctor``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """The severity of a result: a PROBLEM prevents correct operation, a WARNING may, and a NOTE is worth knowing."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check. ``advice`` says what to do, unless ``text`` says it or there is nothing to do.

    ``values`` has the measured values for programs; their names include the units.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""
    values: Mapping[str, float | str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return one line, or two lines if there is advice."""
        line = f"{self.level:8} {self.subject}: {self.text}"
        return f"{line}\n{'':8} -> {self.advice}" if self.advice else line
