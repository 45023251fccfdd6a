"""What ``payments doctor`` finds, and how it is told to people and to programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is: PROBLEM keeps the service from working rightly, WARNING may, NOTE is to be known."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at. ``advice`` says what to do; empty where nothing need be.

    ``values`` has for programs what was measured, by names with units.
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

    def as_json(self) -> str:
        """Return it for programs, on one line."""
        return json.dumps(asdict(self), ensure_ascii=False)
