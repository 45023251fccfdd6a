"""Figures and their baselines, as a table, JSON and an SVG picture."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.load import Report
from bench.picture import bars
from bench.systems import System

NATIVE, GRPCIO = "native", "grpcio"
"""The names of this service in figures, by gRPC engine."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a benchmark: rounds, which alternate between the systems, their duration, and rows and charges."""

    rounds: int
    seconds: float
    rows: int
    listed_rows: int
    charges: int


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of each measured system, and the name of the baseline (``beside``), if there is one."""

    what: str
    unit: str
    values: Mapping[str, float]
    beside: str = ""
    is_less_better: bool = False
    errors: Mapping[str, int] = field(default_factory=dict)

    @property
    def ratios(self) -> dict[str, float]:
        """How many times better each system is than the baseline."""
        base = self.values.get(self.beside)
        if base is None:
            return {}
        others = {name: value for name, value in self.values.items() if name != self.beside}
        return {name: base / value if self.is_less_better else value / base for name, value in others.items()}


def in_turn(systems: Sequence[System], rounds: int, measure: Callable[[System], Report]) -> dict[str, list[Report]]:
    """Measure the systems alternately, so that other load affects all of them, and return the reports of each."""
    reports: dict[str, list[Report]] = {system.name: [] for system in systems}
    for _ in range(rounds):
        for system in systems:
            reports[system.name].append(measure(system))
    return reports


def rates(what: str, reports: Mapping[str, Sequence[Report]], beside: str) -> Figure:
    """Return a figure of calls per second."""
    values = {
        name: statistics.median(one.calls_per_second for one in system_reports)
        for name, system_reports in reports.items()
    }
    return Figure(what, "per second", values, beside, errors=_errors(reports))


def latencies(what: str, reports: Mapping[str, Sequence[Report]], of: Callable[[Report], float], beside: str) -> Figure:
    """Return a figure of a latency in milliseconds."""
    values = {name: statistics.median(map(of, system_reports)) for name, system_reports in reports.items()}
    return Figure(what, "ms", values, beside, is_less_better=True, errors=_errors(reports))


def _errors(reports: Mapping[str, Sequence[Report]]) -> dict[str, int]:
    return {name: sum(one.errors for one in system_reports) for name, system_reports in reports.items()}


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table."""
    heads = (
        *("measurement", "baseline", "value of the baseline", NATIVE, GRPCIO),
        *(f"{NATIVE}, times better", f"{GRPCIO}, times better", "errors"),
    )
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for one in figures:
        values = [f"{one.values[name]:,.1f}" if name in one.values else "" for name in (one.beside, NATIVE, GRPCIO)]
        ratios = [f"{one.ratios[name]:.2f} x" if name in one.ratios else "" for name in (NATIVE, GRPCIO)]
        cells = (f"{one.what} ({one.unit})", one.beside, *values, *ratios, str(sum(one.errors.values())))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def save(path: Path, machine: str, figures: Sequence[Figure]) -> None:
    """Write the figures to ``path`` as JSON, and a picture of their ratios next to it as SVG."""
    results = [{**asdict(one), "ratios": one.ratios} for one in figures]
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    rows = {f"{one.what}, to {one.beside}": one.ratios for one in figures if one.ratios}
    path.with_suffix(".svg").write_text(bars(f"Ratios of one run: {machine}", rows))
