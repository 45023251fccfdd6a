"""The metrics: name, type and help from the registry, labels and buckets from the source.

The registry does not show the labels of a metric before it has a sample.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import prometheus_client
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser

from server.observability.metrics import REGISTRY, SUPERVISOR_REGISTRY
from tests.support.running_service import RunningService
from tests.surface.sources import Source, UnsupportedForm, sources

_PREFIX = "payments_"
_BUCKET = "le"
"""The label that histograms add."""

_KINDS = (
    prometheus_client.Counter,
    prometheus_client.Gauge,
    prometheus_client.Histogram,
    prometheus_client.Summary,
    prometheus_client.Info,
    prometheus_client.Enum,
)


def metrics() -> dict[str, Any]:
    """Return every metric by name, including those of the process and of Python's garbage collector."""
    defined = dict(_metrics_in_source())
    exported = {family.name: family for registry in (SUPERVISOR_REGISTRY, REGISTRY) for family in registry.collect()}
    ours = {name for name in exported if name.startswith(_PREFIX)}
    assert ours == defined.keys(), "the registry and the source have different metrics"
    return {
        _name(family): {"type": family.type, "help": family.documentation} | defined.get(name, {})
        for name, family in exported.items()
    }


def metric_label_values(running: RunningService) -> dict[str, Any]:
    """Return the label values that a service exports before its first call."""
    accept = {"Accept": "application/openmetrics-text"}
    text = httpx.get(f"{running.monitoring_url}/metrics", headers=accept).raise_for_status().text
    values = {
        _name(family): {
            label: sorted({sample.labels[label] for sample in family.samples})
            for label in sorted(set().union(*(sample.labels for sample in family.samples)) - {_BUCKET})
        }
        for family in openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        if family.name.startswith(_PREFIX)
    }
    return {name: labels for name, labels in values.items() if labels}


def _name(family: Metric) -> str:
    """Return the name for queries. Counters have the suffix ``_total``."""
    return f"{family.name}_total" if family.type == "counter" else str(family.name)


def _metrics_in_source() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each metric that the source defines, with its labels and buckets."""
    for source in sources("server"):
        for call in source.nodes(ast.Call):
            if source.value(call.func) in _KINDS:
                yield _literal_name(source, call), _labels_and_buckets(source, call)


def _literal_name(source: Source, call: ast.Call) -> str:
    match call.args:
        case [ast.Constant(value=str(name)), _, *_]:
            return name
    raise UnsupportedForm(source, call, "expected a metric with a literal name and a help text")


def _labels_and_buckets(source: Source, call: ast.Call) -> dict[str, Any]:
    keywords: Mapping[str | None, ast.expr] = {keyword.arg: keyword.value for keyword in call.keywords}
    if not keywords.keys() <= {"labelnames", "buckets", "registry"}:
        raise UnsupportedForm(source, call, "unexpected arguments of a metric")
    labels = keywords.get("labelnames", call.args[2] if len(call.args) > 2 else None)
    buckets = keywords.get("buckets")
    return ({} if labels is None else {"labels": sorted(_items(source, labels))}) | (
        {} if buckets is None else {"buckets": _items(source, buckets)}
    )


def _items(source: Source, items: ast.expr) -> list[Any]:
    match items:
        case ast.List() | ast.Tuple():
            return list(ast.literal_eval(items))
        case ast.Name() if isinstance(value := source.value(items), list | tuple):
            return list(value)
    raise UnsupportedForm(source, items, "expected a list, or a constant of the module")
