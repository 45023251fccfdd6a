"""Figures and their baselines, as a table, JSON and an SVG picture."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.load import Report
from bench.picture import bar_chart
from bench.systems import System

ENVOY, GRPCIO = "envoy", "grpcio"
"""The names of this service in figures: its gRPC engines."""

ENGINES = (ENVOY, GRPCIO)


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a benchmark: rounds for each system, the duration of a round, and the number of rows and charges."""

    rounds: int
    seconds: float
    rows: int
    listed_rows: int
    charges: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement: the median of each system, and the name of the baseline (``beside``), if there is one.

    ``goals`` has the ratio to the baseline that a system should reach.
    """

    what: str
    unit: str
    values: Mapping[str, float]
    beside: str = ""
    is_less_better: bool = False
    errors: Mapping[str, int] = field(default_factory=dict)
    goals: Mapping[str, float] = field(default_factory=dict)

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


def rates(
    what: str, reports: Mapping[str, Sequence[Report]], beside: str, goals: Mapping[str, float] | None = None
) -> Figure:
    """Return a figure of calls per second."""
    values = {
        name: statistics.median(report.calls_per_second for report in system_reports)
        for name, system_reports in reports.items()
    }
    return Figure(what, "per second", values, beside, errors=_errors(reports), goals=goals or {})


def latencies(
    what: str,
    reports: Mapping[str, Sequence[Report]],
    of: Callable[[Report], float],
    beside: str,
    goals: Mapping[str, float] | None = None,
) -> Figure:
    """Return a figure of a latency in milliseconds."""
    values = {name: statistics.median(map(of, system_reports)) for name, system_reports in reports.items()}
    return Figure(what, "ms", values, beside, is_less_better=True, errors=_errors(reports), goals=goals or {})


def _errors(reports: Mapping[str, Sequence[Report]]) -> dict[str, int]:
    return {name: sum(report.errors for report in system_reports) for name, system_reports in reports.items()}


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table."""
    heads = (
        *("measurement", "baseline", "value of the baseline", *ENGINES),
        *(f"{engine}, times better" for engine in ENGINES),
        *("goal", "errors"),
    )
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for figure in figures:
        values = [f"{figure.values[name]:,.1f}" if name in figure.values else "" for name in (figure.beside, *ENGINES)]
        ratios = [f"{figure.ratios[name]:.2f} x" if name in figure.ratios else "" for name in ENGINES]
        errors = str(sum(figure.errors.values()))
        cells = (f"{figure.what} ({figure.unit})", figure.beside, *values, *ratios, _goals(figure), errors)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _goals(figure: Figure) -> str:
    """Return the ratios that systems should reach, and whether they do, as far as the table shows it."""
    return ", ".join(
        f"{name} {goal:g} x: {'met' if round(figure.ratios[name], 2) >= goal else 'missed'}"
        for name, goal in figure.goals.items()
    )


def save(path: Path, machine: str, figures: Sequence[Figure]) -> None:
    """Write the figures to ``path`` as JSON, and a picture of their ratios next to it as SVG."""
    results = [{**asdict(figure), "ratios": figure.ratios} for figure in figures]
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    rows = {f"{figure.what}, to {figure.beside}": figure.ratios for figure in figures if figure.ratios}
    path.with_suffix(".svg").write_text(bar_chart(f"Ratios of one run: {machine}", rows))
