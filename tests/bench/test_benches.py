"""The benchmarks run with small sizes. Their figures are not checked."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(module: str, results: Path, *options: str) -> Any:  # noqa: ANN401 - JSON
    """Run a benchmark, and return its results."""
    command = [sys.executable, "-m", module, "--results", str(results), *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(results.read_text())


def test_the_scale_benchmark_measures_every_size(tmp_path: Path) -> None:
    found = run("bench.scale", tmp_path / "scale.json", "--rows", "300", "3000", "--rounds", "1", "--seconds", "1")

    assert found["rows"] == [300, 3000]
    names = [result["what"] for result in found["results"]]
    for text in (
        "first page (ms)",
        "page 1,000 by token",
        "payments of an order",
        "/v1 first page and total",
        "charges",
    ):
        assert any(text in name for name in names)
    assert all(len(result["values"]) == 2 and min(result["values"]) > 0 for result in found["results"])


def test_the_migration_benchmark_runs(tmp_path: Path) -> None:
    found = run("bench.migration", tmp_path / "migration.json", "--rows", "2000")

    assert [result["migration"] for result in found["migrations"]] == ["adoption", "wider amounts"]
    assert all(result["failed_writes"] == 0 < result["longest_write_seconds"] for result in found["migrations"])


def test_the_cpu_benchmark_measures_each_rpc(tmp_path: Path) -> None:
    found = run("bench.cpu", tmp_path / "cpu.json", "--rows", "30000", "--seconds", "0.5", "--systems", "Go", "envoy")

    rpcs = ("charge", "get", "list", "list_random_page", "refund")
    results = found["results"]
    assert [(result["rpc"], result["system"]) for result in results] == list(itertools.product(rpcs, ("Go", "envoy")))
    assert all(result["load_generator_microseconds"] > 0 for result in results)


def test_the_index_benchmark_measures_each_index(tmp_path: Path) -> None:
    found = run("bench.indexes", tmp_path / "indexes.json", "--rows", "500", "--charges", "3200", "--rounds", "1")

    names = [result["missing_index"] for result in found["results"]]
    assert names == ["none", "payments_by_time", "payments_by_order", "payments_by_method", "payments_by_status"]
    assert all(result["page_milliseconds_without"] > 0 for result in found["results"][1:])


def test_the_import_benchmark_runs(tmp_path: Path) -> None:
    found = run("bench.imports", tmp_path / "import.json", "--rows", "3000", "--rounds", "1")

    assert [result["what"].split(",")[0] for result in found["results"]] == [
        "LOAD DATA LOCAL",
        "payments import",
        "payments import",
    ]


@pytest.mark.long
def test_the_main_benchmark_compares_the_service_with_its_peers(tmp_path: Path) -> None:
    options = ("--rounds", "1", "--seconds", "0.5", "--rows", "30000", "--listed-rows", "3000", "--charges", "10")
    found = run("bench", tmp_path / "bench.json", *options)

    compared = {(result["what"], result["beside"]): result for result in found["results"]}
    for what in (
        "Charge with a request_id",
        "Charge without a request_id",
        "ListPayments, 50 payments, hot",
        "ListPayments, 50 payments, cold",
        "GetPayment",
        "Refund",
    ):
        for peer in ("Go", "plain Python"):
            result = compared[what, peer]
            assert set(result["values"]) == {peer, "envoy", "grpcio"}
            assert set(result["ratios"]) == {"envoy", "grpcio"}
            assert result["errors"] == {peer: 0, "envoy": 0, "grpcio": 0}
    assert compared["Charge with a request_id", "Go"]["goals"] == {"envoy": 1.25}
    for peer in ("Go", "plain Python"):
        assert compared["BatchCharge of 1,000", f"{peer}'s Charge"]["values"].keys() == {
            f"{peer}'s Charge",
            "envoy",
            "grpcio",
        }
        (latency,) = (
            result
            for (what, beside), result in compared.items()
            if beside == peer and what.startswith("p99") and f"half of {peer}'s" in what
        )
        assert set(latency["ratios"]) == {"envoy", "grpcio"}
    for what in (
        "p99 of Charge at half of each system's own maximum",
        "POST /v1/payments/charge",
        "GET /v1/payments?page=15",
        "Charge with a log line per call",
        "p50 of Charge at one call",
        "Charge with group commit",
        "Charge with metrics",
        "Charge with an API key",
        "Charge with rate limits",
        "Charge during 2,000 idle",
    ):
        (result,) = (result for (name, _), result in compared.items() if name.startswith(what))
        assert min(result["ratios"].values()) > 0
    for what, baselines in (
        ("Charge over TLS", {"Go over TLS", "envoy without TLS", "grpcio without TLS"}),
        ("memory after the start", {"Go"}),
        ("memory after 10 charges", {"Go", "envoy after the first round", "grpcio after the first round"}),
        ("startup until SERVING", {"grpcio"}),
    ):
        assert {beside for name, beside in compared if name == what} == baselines
    assert all(min(result["values"].values()) > 0 for result in found["results"])
    assert (tmp_path / "bench.svg").read_text().startswith("<svg")


def test_the_replica_benchmark_runs(tmp_path: Path) -> None:
    found = run("bench.replicas", tmp_path / "replicas.json", "--rounds", "1", "--seconds", "0.5")

    assert set(found["charges_per_second"]) == {"1", "2", "4"}
    assert min(found["charges_per_second"].values()) > 0
