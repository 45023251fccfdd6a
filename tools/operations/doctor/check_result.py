"""The result of a check of ``payments doctor``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How bad a result is: PROBLEM keeps the service from working correctly, WARNING may, NOTE is worth knowing."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found. ``advice`` says what to do, and is empty where nothing needs doing.

    ``values`` are the measured values for programs, by names with units.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""
    values: Mapping[str, float | str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it for people, on one line or two."""
        line = f"{self.level:8} {self.subject}: {self.text}"
        return f"{line}\n{'':8} -> {self.advice}" if self.advice else line
