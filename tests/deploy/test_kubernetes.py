"""The Kubernetes manifests, as kustomize renders them: they match the API's schemas, and agree with the service."""

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from server.config.exposure import check_exposure
from server.config.settings import Settings, SettingsError
from tests.support.certificates import Authority
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.cli.main import app
from tools.dev.database_accounts import MIGRATOR, SERVICE

SERVICE_SECRETS = ("MYSQL_PASSWORD", "PROCESSOR_API_KEY", "PAYMENT_SOURCE_KEYS", "PROCESSOR_WEBHOOK_SECRETS")
BASE = ROOT / "deploy/kubernetes/base"
EXAMPLE = ROOT / "deploy/kubernetes/overlays/example"
API_VERSIONS = ("1.34", "1.37")
"""The oldest and the newest Kubernetes version that is checked."""

DEFAULT_MAX_CONNECTIONS = 151
"""The default of MySQL and MariaDB."""

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")

Object = dict[str, Any]


def render(folder: Path) -> list[Object]:
    run = subprocess.run(
        [ROOT / ".bin" / "kustomize", "build", folder], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == "", "kustomize must not warn"
    return list(yaml.safe_load_all(run.stdout))


@pytest.fixture(scope="module")
def objects() -> dict[tuple[str, str], Object]:
    """All objects of the example, by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in render(EXAMPLE)}


@pytest.fixture
def deployment(objects: dict[tuple[str, str], Object]) -> Object:
    return objects["Deployment", "payments"]


@pytest.fixture(scope="module")
def without_tls() -> Object:
    """The Deployment of the base, without TLS."""
    (deployment,) = (each for each in render(BASE) if each["kind"] == "Deployment")
    return deployment


@pytest.fixture
def job(objects: dict[tuple[str, str], Object]) -> Object:
    (job,) = (each for (kind, _), each in objects.items() if kind == "Job")
    return job


@pytest.fixture
def config(objects: dict[tuple[str, str], Object]) -> dict[str, str]:
    (config,) = (each["data"] for (kind, _), each in objects.items() if kind == "ConfigMap")
    settings: dict[str, str] = config
    return settings


def pod_of(workload: Object) -> Object:
    pod: Object = workload["spec"]["template"]["spec"]
    return pod


def container_of(workload: Object) -> Object:
    (container,) = pod_of(workload)["containers"]
    found: Object = container
    return found


def labels_of(workload: Object) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def monitoring_port(config: dict[str, str]) -> int:
    return int(config["MONITORING_PORT"])


def default(setting: str) -> Any:  # noqa: ANN401 - a setting may be anything
    return Settings.model_fields[setting].default


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_object_matches_the_schema_of_its_kind(objects: dict[tuple[str, str], Object], version: str) -> None:
    for each in objects.values():
        kubernetes_validate.validate(each, version, strict=True)


def test_the_schema_rejects_an_unknown_field(deployment: Object) -> None:
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 2}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, API_VERSIONS[-1], strict=True)


def test_the_base_lists_every_file() -> None:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]

    assert sorted([*listed, "kustomization.yaml"]) == sorted(path.name for path in BASE.iterdir())


def test_pods_get_settings_that_the_service_accepts(deployment: Object, job: Object, config: dict[str, str]) -> None:
    for workload in (deployment, job):
        container = container_of(workload)
        assert [source["configMapRef"]["name"].rpartition("-")[0] for source in container["envFrom"]] == ["payments"]
    accounts = [
        [
            (variable["name"], variable.get("value") or variable["valueFrom"]["secretKeyRef"]["name"])
            for variable in container_of(workload)["env"]
            if not variable["name"].startswith("TLS_")
        ]
        for workload in (deployment, job)
    ]
    assert accounts == [
        [(name, "payments") for name in SERVICE_SECRETS],
        [("MYSQL_USER", MIGRATOR), ("MYSQL_PASSWORD", "payments-migrator")],
    ]
    assert config["MYSQL_USER"] == SERVICE
    settings = {**config, "MYSQL_PASSWORD": "secret"}
    assert {name.lower() for name in settings} <= Settings.model_fields.keys()
    Settings.model_validate({name.lower(): value for name, value in settings.items()})


def test_the_example_may_listen_on_the_addresses_of_the_image_because_it_has_tls(
    config: dict[str, str], deployment: Object, without_tls: Object
) -> None:
    def settings(workload: Object) -> Settings:
        own = {variable["name"]: variable["value"] for variable in container_of(workload)["env"] if "value" in variable}
        environment = {**config, **own, "GRPC_HOST": "0.0.0.0", "REST_HOST": "::"}  # noqa: S104 - those of the image
        return Settings.model_validate({name.lower(): value for name, value in environment.items()})

    check_exposure(settings(deployment))
    assert settings(deployment).tls_client_ca_file is not None
    with pytest.raises(SettingsError, match="TLS_CERT_FILE"):
        check_exposure(settings(without_tls))


def test_certificates_are_files_of_the_mounted_secret(deployment: Object) -> None:
    container = container_of(deployment)
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "tls")
    (secret,) = (volume["secret"] for volume in pod_of(deployment)["volumes"] if volume["name"] == "tls")
    tls_variables = (variable for variable in container["env"] if variable["name"].startswith("TLS_"))
    files = {variable["name"]: variable["value"] for variable in tls_variables}

    assert secret == {"secretName": "payments-tls"}
    assert mount["readOnly"]
    assert files == {
        name: f"{mount['mountPath']}/{file}"
        for name, file in (
            ("TLS_CERT_FILE", "tls.crt"),
            ("TLS_KEY_FILE", "tls.key"),
            ("TLS_CLIENT_CA_FILE", "ca.crt"),
        )
    }


def test_pods_get_no_variables_of_the_cluster_s_services(deployment: Object, job: Object) -> None:
    for workload in (deployment, job):
        assert pod_of(workload)["enableServiceLinks"] is False


def test_the_ports_are_those_that_the_service_listens_on(
    objects: dict[tuple[str, str], Object], deployment: Object, config: dict[str, str]
) -> None:
    container = container_of(deployment)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert ports == {"grpc": default("grpc_port"), "rest": default("rest_port"), "monitoring": monitoring_port(config)}
    for service in ("payments", "payments-headless", "payments-monitoring"):
        for port in objects["Service", service]["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    allowed = [
        port["port"]
        for rule in objects["NetworkPolicy", "payments-database"]["spec"]["egress"]
        for port in rule["ports"]
    ]
    assert default("mysql_port") in allowed


def test_callers_reach_only_the_ports_for_calls_and_prometheus_only_the_monitoring_port(
    objects: dict[tuple[str, str], Object],
) -> None:
    def allowed(policy: str) -> tuple[list[Object], list[str]]:
        (rule,) = objects["NetworkPolicy", policy]["spec"]["ingress"]
        return rule["from"], [port["port"] for port in rule["ports"]]

    def namespaces_with(label: str) -> list[Object]:
        return [{"namespaceSelector": {"matchLabels": {label: "true"}}}]

    assert allowed("payments-callers") == (namespaces_with("payments-caller"), ["grpc", "rest"])
    assert allowed("payments-monitoring") == (namespaces_with("payments-monitoring"), ["monitoring"])


def test_prometheus_also_finds_replicas_that_are_not_ready(objects: dict[tuple[str, str], Object]) -> None:
    with_port = [
        name
        for (kind, name), each in objects.items()
        if kind == "Service" and "monitoring" in {port["name"] for port in each["spec"]["ports"]}
    ]
    assert with_port == ["payments-monitoring"]
    assert objects["Service", "payments-monitoring"]["spec"]["publishNotReadyAddresses"]


def test_services_declare_tls_if_and_only_if_the_pods_use_it(objects: dict[tuple[str, str], Object]) -> None:
    for services, protocols in (
        ({name: each for (kind, name), each in objects.items() if kind == "Service"}, {"https"}),
        (
            {each["metadata"]["name"]: each for each in render(BASE) if each["kind"] == "Service"},
            {"http", "kubernetes.io/h2c"},
        ),
    ):
        ports = [port for name in ("payments", "payments-headless") for port in services[name]["spec"]["ports"]]
        assert {port["appProtocol"] for port in ports} == protocols


def test_selectors_match_only_the_pods_that_serve(
    objects: dict[tuple[str, str], Object], deployment: Object, job: Object
) -> None:
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        objects["PodDisruptionBudget", "payments"]["spec"]["selector"]["matchLabels"],
        *(
            objects["NetworkPolicy", name]["spec"]["podSelector"]["matchLabels"]
            for name in ("payments-callers", "payments-monitoring")
        ),
        *(each["spec"]["selector"] for (kind, _), each in objects.items() if kind == "Service"),
        *(spread["labelSelector"]["matchLabels"] for spread in pod_of(deployment)["topologySpreadConstraints"]),
    ]
    for selector in selectors:
        assert selector.items() <= labels_of(deployment).items()
        assert not selector.items() <= labels_of(job).items()


def test_the_autoscaler_scales_the_deployment_which_sets_no_replicas(
    objects: dict[tuple[str, str], Object], deployment: Object
) -> None:
    target = objects["HorizontalPodAutoscaler", "payments"]["spec"]["scaleTargetRef"]

    assert (target["kind"], target["name"]) == (deployment["kind"], deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]


def test_the_connections_of_all_replicas_fit_in_a_database_s_default_maximum(
    objects: dict[tuple[str, str], Object], deployment: Object, config: dict[str, str]
) -> None:
    replicas = objects["HorizontalPodAutoscaler", "payments"]["spec"]["maxReplicas"]
    replicas += deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    health_connections = migration_connections = 1

    connections = replicas * (int(config["MYSQL_POOL_MAX"]) + health_connections) + migration_connections
    assert connections < DEFAULT_MAX_CONNECTIONS


def test_a_pod_has_time_to_start_and_to_drain(deployment: Object) -> None:
    container = container_of(deployment)
    pause_seconds = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    startup = container["startupProbe"]

    assert pod_of(deployment)["terminationGracePeriodSeconds"] > pause_seconds + default("drain_timeout_seconds")
    assert startup["periodSeconds"] * startup["failureThreshold"] > default("mysql_startup_timeout_seconds")


def test_probes_succeed_on_a_running_service_with_and_without_tls(
    deployment: Object, without_tls: Object, start_service: Callable[..., RunningService], tmp_path: Path
) -> None:
    for workload in (deployment, without_tls):
        running = start_service(MONITORING_PORT="0", **tls_of(workload, tmp_path))
        for probe in PROBES:
            request = container_of(workload)[probe]["httpGet"]
            assert request["port"] == "monitoring"
            assert request.get("scheme", "HTTP") == "HTTP"
            assert httpx.get(running.monitoring_url + request["path"]).status_code == 200


def tls_of(workload: Object, folder: Path) -> dict[str, str]:
    """Return the TLS settings of a workload, with files that exist."""
    variables = container_of(workload)["env"]
    names = [variable["name"] for variable in variables if variable["name"].startswith("TLS_")]
    if not names:
        return {}
    certificate, key = Authority().issue(dns=["payments"]).write(folder, "server")
    clients = folder / "clients.pem"
    clients.write_bytes(Authority().certificate)
    files = {"TLS_CERT_FILE": certificate, "TLS_KEY_FILE": key, "TLS_CLIENT_CA_FILE": clients}
    return {**{name: str(files[name]) for name in names}}


def test_only_readiness_depends_on_the_database(deployment: Object) -> None:
    paths = {probe: container_of(deployment)[probe]["httpGet"]["path"] for probe in PROBES}

    assert paths == {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}


def test_a_release_has_its_own_migration_job_with_the_image_that_serves(deployment: Object, job: Object) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert job["metadata"]["name"] == f"payments-migrate-{version}"
    assert container_of(job)["image"] == container_of(deployment)["image"]
    commands = get_command(app).list_commands(None)  # type: ignore[attr-defined]
    for workload in (deployment, job):
        assert container_of(workload)["args"][0] in commands


def test_the_manifests_contain_no_secret(objects: dict[tuple[str, str], Object]) -> None:
    assert not [name for kind, name in objects if kind == "Secret"]
