"""The metrics of several processes become one valid exposition."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from server.app.workers.exposition import MergedMetrics, merged_text

encode_openmetrics, _ = choose_encoder("application/openmetrics-text")

ENVOY = [
    """# TYPE envoy_listener_rejected counter
envoy_listener_rejected{worker="1"} 3
# TYPE envoy_listener_active gauge
envoy_listener_active{worker="1"} 1

""",
    """# TYPE envoy_listener_active gauge
envoy_listener_active{worker="2"} 2
# TYPE envoy_listener_rejected counter
envoy_listener_rejected{worker="2"} 4
""",
]


def metrics_of_process(calls: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    counter = Counter("calls", 'Calls of a "caller"\nand another.', ["code"], registry=registry)
    counter.labels('O"K\\').inc(calls)
    Gauge("serving", "Whether it serves.", registry=registry).set(1)
    Histogram("seconds", "Durations.", buckets=(0.1, 1), registry=registry).observe(0.5)
    return registry


@pytest.fixture
def merged() -> MergedMetrics:
    own = CollectorRegistry()
    Counter("restarts", "Restarts.", ["worker"], registry=own).labels("1").inc()
    Gauge("serving", "Whether it serves.", registry=own)
    texts = {number: encode_openmetrics(metrics_of_process(10 * number)).decode() for number in (1, 2)}
    return MergedMetrics(own, texts)


@pytest.mark.parametrize("as_openmetrics", [False, True])
def test_each_family_appears_once_with_the_samples_of_all_processes(
    merged: MergedMetrics,
    as_openmetrics: bool,  # noqa: FBT001 - a case
) -> None:
    text = (encode_openmetrics if as_openmetrics else generate_latest)(merged).decode()
    headings = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(set(headings)) == len(headings)
    parse = openmetrics_parser.text_string_to_metric_families if as_openmetrics else text_string_to_metric_families
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }
    for worker in ("1", "2"):
        assert samples["calls_total", (("code", 'O"K\\'), ("worker", worker))] == 10 * int(worker)
        assert samples["seconds_bucket", (("le", "0.1"), ("worker", worker))] == 0
        assert samples["seconds_bucket", (("le", "1.0"), ("worker", worker))] == 1
        assert samples["seconds_sum", (("worker", worker),)] == 0.5
        assert samples["serving", (("worker", worker),)] == 1
    assert samples["serving", (("worker", "supervisor"),)] == 0


def test_a_sample_that_names_a_worker_keeps_it(merged: MergedMetrics) -> None:
    assert 'restarts_total{worker="1"} 1.0' in generate_latest(merged).decode()


def test_the_metrics_of_envoy_keep_their_names() -> None:
    assert (
        merged_text(ENVOY)
        == """# TYPE envoy_listener_rejected counter
envoy_listener_rejected{worker="1"} 3
envoy_listener_rejected{worker="2"} 4
# TYPE envoy_listener_active gauge
envoy_listener_active{worker="1"} 1
envoy_listener_active{worker="2"} 2
"""
    )
