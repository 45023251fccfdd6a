"""Alert rules and the dashboard: they use only metrics, labels and values that a running service exports.

``prometheus_rules.yml`` tests the rules with synthetic series.
"""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import httpx
import promql_parser
import pytest
import yaml
from payments_client.v1 import payments_pb2 as pb
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, BinaryExpr, Expr, Matcher, MatchOp, VectorSelector

from server.config.grpc import Engine
from server.observability.metrics import REGISTRY
from server.transport.pipeline.errors import REASONS
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import FAILING, charge, new_request_id, refund
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

PROMETHEUS = ROOT / "deploy/prometheus"
RULE_FILES = ("slo.yml", "alerts.yml")
DASHBOARD = ROOT / "deploy/grafana/payments.json"
CASES = ROOT / "tests/deploy/prometheus_rules.yml"
SLO = ROOT / "docs/operations/slo.md"

TARGET_LABELS = {"job", "instance"}
ALERT_LABELS = {"alertname", "alertstate"}
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}
FREE_LABELS = {"code": {code.name for code in grpc.StatusCode}, "by": {"call", "janitor", "payer"}}
"""Labels whose values appear only with calls, and the values that they can have."""


@dataclass(frozen=True)
class Metrics:
    """The exports of a service: the labels of each series name, and the values of each label."""

    labels: Mapping[str, set[str]]
    values: Mapping[tuple[str, str], set[str]]


@pytest.fixture(scope="module")
def metrics(service: RunningService, workers_metrics: tuple[str, str]) -> Metrics:
    """The exports of a running service after some calls; for metrics without series, the labels come from the code."""
    with grpc.insecure_channel(service.target) as channel:
        calls = GrpcDriver(channel)
        payment = calls.charge(charge(request_id=new_request_id())).payment
        calls.charge(charge(method=FAILING))
        calls.batch_charge(pb.BatchChargeRequest(charges=[charge()]))
        calls.refund(refund(payment.payment_id, "1.00"))
        calls.get_payment(pb.GetPaymentRequest(payment_id=payment.payment_id))
        calls.list_refunds(pb.ListRefundsRequest(payment_id=payment.payment_id))
        calls.list_payment_events(pb.ListPaymentEventsRequest(payment_id=payment.payment_id))
        calls.list_payments(pb.ListPaymentsRequest())
        with pytest.raises(grpc.RpcError):
            next(calls.stub.WatchPayments(pb.WatchPaymentsRequest(resume_token="none")))
    of_workers, envoy_metrics = workers_metrics
    declared_labels = {
        name: set(getattr(collector, "_labelnames", ())) for name, collector in REGISTRY._names_to_collectors.items()
    }
    labels: defaultdict[str, set[str]] = defaultdict(set)
    values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    own = httpx.get(f"{service.rest_url}/metrics").text
    for family in (*text_string_to_metric_families(own), *text_string_to_metric_families(of_workers)):
        base = family.name.removesuffix("_total") if family.type == "counter" else family.name
        for suffix in SUFFIXES[family.type]:
            labels[base + suffix] |= declared_labels.get(base, set()) | ({"le"} if suffix == "_bucket" else set())
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
            for label, value in sample.labels.items():
                values[sample.name, label].add(value)
    for family in text_string_to_metric_families(envoy_metrics):
        for sample in family.samples:
            # The parser adds this suffix to counters, which have no suffix in Envoy.
            name = sample.name if f"{sample.name}{{" in envoy_metrics else sample.name.removesuffix("_total")
            labels[name] |= set(sample.labels)
            for label, value in sample.labels.items():
                values[name, label].add(value)
    return Metrics(labels, values)


@pytest.fixture(scope="module")
def workers_metrics(make_migrated_database: Callable[[], dict[str, str]]) -> Iterator[tuple[str, str]]:
    """The metrics of a service with several workers, and those of the Envoys in which they run."""
    settings = {"GRPC_ENGINE": Engine.ENVOY, "WORKERS": "2", "MONITORING_PORT": "0"}
    service = RunningService({**make_migrated_database(), **settings}).start()
    service.wait_for("listening", transport="rest", worker=2)
    with grpc.insecure_channel(service.target) as channel:
        GrpcDriver(channel).charge(charge())
    own, envoy = (
        httpx.get(f"{service.monitoring_url}/metrics{path}").raise_for_status().text for path in ("", "/envoy")
    )
    yield own, envoy
    assert service.stop() == 0


@cache
def rules() -> list[dict[str, Any]]:
    files = (yaml.safe_load((PROMETHEUS / name).read_text()) for name in RULE_FILES)
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    board = json.loads(DASHBOARD.read_text())
    for panel in panels():
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            query = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert query is not None
            yield f"variable {variable['name']}", f"sum by ({query[2]}) ({query[1]})"


def expressions() -> list[tuple[str, str]]:
    of_rules = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    return [*of_rules, *dashboard_expressions()]


def parse(expression: str) -> Expr:
    # Grafana replaces these variables.
    return promql_parser.parse(expression.replace("$__rate_interval", "5m").replace("$job", ".*"))


def parts(expression: Expr) -> list[Expr]:
    found: list[Expr] = []
    promql_parser.walk(expression, found.append)
    return found


def problems(expression: str, metrics: Metrics) -> list[str]:
    """Return the metrics, labels and values in an expression that the service does not export."""
    return list(_problems(parse(expression), metrics))


def _problems(expression: Expr, metrics: Metrics) -> Iterator[str]:
    for part in parts(expression):
        match part:
            case VectorSelector():
                yield from _selector_problems(part, metrics)
            case AggregateExpr() if part.modifier is not None:
                known = _labels_in(part.expr, metrics)
                yield from (f"no label {name} in {part}" for name in part.modifier.labels if name not in known)
            case BinaryExpr() if part.modifier is not None and part.modifier.matching is not None:
                for name in part.modifier.matching.labels:
                    if not all(name in _labels_in(side, metrics) for side in (part.lhs, part.rhs)):
                        yield f"no label {name} on both sides of {part}"
            case _:
                pass


def _selector_problems(selector: VectorSelector, metrics: Metrics) -> Iterator[str]:
    name = selector.name
    assert name is not None
    known = _labels_of(name, metrics)
    if known is None:
        yield f"no metric {name}"
        return
    for matcher in selector.matchers.matchers:
        if matcher.name not in known:
            yield f"no label {matcher.name} of {name}"
        elif matcher.name not in TARGET_LABELS | ALERT_LABELS:
            exported = FREE_LABELS.get(matcher.name) or metrics.values[name, matcher.name]
            for value in _values_of(matcher):
                if value and value not in exported:  # an empty value means that there is no such label
                    yield f"no {matcher.name}={value} of {name}"


def _values_of(matcher: Matcher) -> list[str]:
    return matcher.value.split("|") if matcher.op in (MatchOp.Re, MatchOp.NotRe) else [matcher.value]


def _labels_of(name: str, metrics: Metrics) -> set[str] | None:
    if name == "ALERTS":
        return ALERT_LABELS | {"severity"}
    for rule in rules():
        if rule.get("record") == name:
            return {"job"}
    labels = metrics.labels.get(name)
    return None if labels is None else labels | TARGET_LABELS


def _labels_in(expression: Expr, metrics: Metrics) -> set[str]:
    """Return the labels that the series of an expression may have."""
    selectors = [part for part in parts(expression) if isinstance(part, VectorSelector)]
    return {label for selector in selectors for label in _labels_of(selector.name or "", metrics) or ()}


def promtool(*arguments: str | Path) -> str:
    run = subprocess.run(
        [ROOT / ".bin/promtool", *arguments], capture_output=True, text=True, check=False, cwd=PROMETHEUS
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize(("name", "expression"), expressions())
def test_every_expression_uses_only_exported_metrics(name: str, expression: str, metrics: Metrics) -> None:
    assert problems(expression, metrics) == [], name


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("payments_nothing", "no metric payments_nothing"),
        ("payments_refunds", "no metric payments_refunds"),
        ('payments_refunds_total{rpc="Charge"}', "no label rpc of payments_refunds_total"),
        ('payments_refunds_total{kind="whole"}', "no kind=whole of payments_refunds_total"),
        ('payments_call_duration_seconds_bucket{le="0.3"}', "no le=0.3 of payments_call_duration_seconds_bucket"),
        ('payments_call_errors_total{reason=~"INTERNAL|ODD"}', "no reason=ODD of payments_call_errors_total"),
        ('payments_call_duration_seconds_count{code="FINE"}', "no code=FINE of payments_call_duration_seconds_count"),
        ("sum by (rpc) (rate(payments_refunds_total[5m]))", "no label rpc in "),
        ("payments_serving * on (kind) payments_refunds_total", "no label kind on both sides"),
        ("rate(payments_serving[5m]) / job:nothing:rate5m", "no metric job:nothing:rate5m"),
    ],
)
def test_an_expression_with_an_unknown_metric_label_or_value_is_reported(
    expression: str, problem: str, metrics: Metrics
) -> None:
    assert [each for each in problems(expression, metrics) if each.startswith(problem)]


def test_every_metric_of_the_service_is_on_the_dashboard(metrics: Metrics) -> None:
    used = {
        part.name
        for _, expression in (*dashboard_expressions(), *((rule["record"], rule["expr"]) for rule in rules()[:4]))
        for part in parts(parse(expression))
        if isinstance(part, VectorSelector) and part.name
    }
    families = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in used}
    own = {re.sub(r"_(total|bucket|count|sum|created)$", "", name) for name in metrics.labels}
    assert {name for name in own if name.startswith("payments_")} <= families


def test_prometheus_accepts_the_rules() -> None:
    promtool("check", "rules", *RULE_FILES)


def test_the_rules_fire_in_the_intended_cases_only() -> None:
    promtool("test", "rules", CASES)


def test_every_alert_fires_in_a_case_and_is_silent_in_another() -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    firing = [
        {sample["labels"] for test in case["promql_expr_test"] for sample in test.get("exp_samples", ())}
        for case in cases
    ]
    for alert in alerts():
        fires = [any(f'alertname="{alert["alert"]}"' in labels for labels in case) for case in firing]
        assert set(fires) == {True, False}, alert["alert"]


def test_every_alert_has_a_severity_a_description_and_a_runbook_section() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert len(set(names)) == len(names)
    for alert in alerts():
        assert alert["labels"]["severity"] in {"page", "ticket", "info"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] == f"docs/operations/runbook.md#{alert['alert'].lower()}"


def test_the_slo_page_says_for_every_error_reason_whose_failure_it_is() -> None:
    text = SLO.read_text()
    faults, others = (
        set(re.findall(r"`([A-Z_]+)`", line)) for line in re.findall(r"^\| .* reasons? \|.*$", text, re.MULTILINE)
    )
    rule = next(rule for rule in rules() if rule.get("record") == "job:payments_slo_faults:rate5m")
    (counted,) = re.findall(r'reason=~"([A-Z_|]+)"', rule["expr"])
    assert faults == set(counted.split("|"))
    assert faults | others == REASONS
    assert not faults & others


def test_the_alerts_use_the_objectives_of_the_slo_page() -> None:
    text = SLO.read_text()
    for objective, budget in (("99.9 %", "0.001"), ("99 %", "0.01")):
        assert objective in text
        for alert in alerts():
            if alert["labels"].get("slo") == {"0.001": "availability", "0.01": "latency"}[budget]:
                assert set(re.findall(r"> (?:[\d.]+ \* )?(0\.\d+)", alert["expr"])) == {budget}


def test_grafana_can_show_the_dashboard() -> None:
    board = json.loads(DASHBOARD.read_text())
    all_panels = panels()
    assert len({panel["id"] for panel in all_panels}) == len(all_panels)
    occupied: set[tuple[int, int]] = set()
    for panel in all_panels:
        position = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(position["x"], position["x"] + position["w"])
            for y in range(position["y"], position["y"] + position["h"])
        }
        assert position["x"] + position["w"] <= 24
        assert not cells & occupied, panel["title"]
        occupied |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${datasource}"
    assert board["uid"] == "payments"
    assert "id" not in board
