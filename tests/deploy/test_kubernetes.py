"""The Kubernetes manifests: valid by the API's own schemas, and in agreement with the service."""

from pathlib import Path
from typing import Any

import grpc
import httpx
import kubernetes_validate
import pytest
import yaml
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from server.config import Settings
from tests.running_service import RunningService

FOLDER = Path("deploy/kubernetes")
API_VERSIONS = ("1.29", "1.34")
"""The oldest and the newest that are checked."""


def documents() -> list[dict[str, Any]]:
    """Return all objects, as the kustomization lists their files."""
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return [
        document for name in kustomization["resources"] for document in yaml.safe_load_all((FOLDER / name).read_text())
    ]


def one(kind: str, name: str = "payments") -> dict[str, Any]:
    """Return the object of that kind and name."""
    (found,) = (
        document for document in documents() if (document["kind"], document["metadata"]["name"]) == (kind, name)
    )
    return found


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_object_is_valid_by_the_schema_of_its_kind(version: str) -> None:
    for document in documents():
        kubernetes_validate.validate(document, version, strict=True)


def test_the_kustomization_lists_every_file() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]

    assert sorted([*listed, "kustomization.yaml"]) == sorted(path.name for path in FOLDER.iterdir())


def test_what_it_sets_are_settings_of_the_service() -> None:
    (config,) = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["configMapGenerator"]
    settings = dict(literal.split("=", 1) for literal in config["literals"])

    assert {name.lower() for name in settings} <= set(Settings.model_fields)
    Settings.model_validate({name.lower(): value for name, value in settings.items()})


def test_ports_are_those_that_the_service_listens_on_by_default() -> None:
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert ports == {name: Settings.model_fields[f"{name}_port"].default for name in ("grpc", "rest")}
    for service in ("payments", "payments-headless"):
        for port in one("Service", service)["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["grpc"]["port"] == ports["grpc"]


def test_selectors_find_the_pods() -> None:
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]

    assert one("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for service in ("payments", "payments-headless"):
        assert one("Service", service)["spec"]["selector"].items() <= labels.items()
    job_labels = one("Job", "payments-migrate")["spec"]["template"]["metadata"]["labels"]
    assert not one("Service")["spec"]["selector"].items() <= job_labels.items()


def test_a_pod_has_time_to_drain() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    pause_seconds = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])

    assert pod["terminationGracePeriodSeconds"] > pause_seconds + Settings.model_fields["drain_timeout_seconds"].default


def test_probes_ask_for_what_a_running_service_answers(service: RunningService) -> None:
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    with grpc.insecure_channel(service.target) as channel:
        for probe in ("startupProbe", "readinessProbe"):
            request = HealthCheckRequest(service=container[probe]["grpc"].get("service", ""))
            assert HealthStub(channel).Check(request).status == 1  # type: ignore[attr-defined]
    path = container["livenessProbe"]["httpGet"]["path"]
    assert httpx.get(service.rest_url + path).status_code == 200
