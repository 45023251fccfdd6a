"""The benchmarks compare the service with variants of it, on either engine."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.figures import ENGINES
from bench.systems import System, running
from tests.support.databases import Accounts
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge

CHARGES = 40


@contextmanager
def charged(module: str, settings: dict[str, str], folder: Path) -> Iterator[System]:
    """Run a variant that has made ``CHARGES`` charges, many of them at the same time."""
    with (
        running("variant", settings, folder, command=(sys.executable, "-m", module)) as system,
        grpc.insecure_channel(f"127.0.0.1:{system.port}") as channel,
        ThreadPoolExecutor(CHARGES) as threads,
    ):
        calls = GrpcDriver(channel)
        list(threads.map(lambda _: calls.charge(charge()), range(CHARGES)))
        yield system


def samples(system: System, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by the values of their labels."""
    text = httpx.get(f"http://127.0.0.1:{system.rest_port}/metrics").raise_for_status().text
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest, migrated_database: dict[str, str], accounts: Accounts) -> dict[str, str]:
    """The settings of a variant, on each engine."""
    return {**accounts.as_service(migrated_database), "GRPC_ENGINE": request.param}


def test_a_variant_has_no_batches(settings: dict[str, str], tmp_path: Path) -> None:
    with charged("bench.peers.direct", settings, tmp_path) as direct:
        assert samples(direct, "payments_group_items_count")["charge",] == CHARGES


def test_a_variant_counts_nothing(settings: dict[str, str], tmp_path: Path) -> None:
    with charged("bench.peers.without_metrics", settings, tmp_path) as without_metrics:
        assert not samples(without_metrics, "payments_call_duration_seconds_count")
