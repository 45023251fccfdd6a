"""The packages in ``dist`` contain what they should, install into an empty project, and charge."""

import json
import os
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import grpc
import pytest

from tests.support.installed_clients import (
    CLIENTS,
    DIST,
    NPM_TARBALL,
    SDIST,
    WHEEL,
    Command,
    first_block,
    go,
    install_python,
    java,
    package,
    python_from_sdist,
    python_from_wheel,
    run,
    typescript,
)
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

GO_ZIP = "go/payments.internal/payments/@v/v*.zip"
MAVEN_FOLDER = "maven/payments/internal/payments-client/*"
ARCHIVES = {
    "wheel": WHEEL,
    "sdist": SDIST,
    "npm": NPM_TARBALL,
    "go": GO_ZIP,
    "jar": f"{MAVEN_FOLDER}/payments-client-*[0-9].jar",
    "sources": f"{MAVEN_FOLDER}/payments-client-*-sources.jar",
}
EXAMPLES = {
    "python": "example/first_charge.py",
    "typescript": "example/first_charge.ts",
    "go": "example/first_charge.go",
    "java": "example/src/main/java/FirstCharge.java",
}
CLASSIFIER = "Private :: Do Not Upload"

TYPED_PROGRAM = """\
from collections.abc import Awaitable
from datetime import UTC, datetime
from decimal import Decimal

from payments_client import (
    AsyncPaymentsClient,
    Failure,
    OutcomeUnknown,
    Payment,
    PaymentEventType,
    PaymentMethod,
    PaymentsClient,
    RequestIdReused,
)
from payments_client.testing import FakePayments


def charge(client: PaymentsClient, order_id: int) -> Decimal | None:
    try:
        payment = client.charge(order_id=order_id, amount=Decimal("561.00"), method=PaymentMethod.UPI)
    except RequestIdReused as error:
        print(error.reason.lower())
        return None
    except OutcomeUnknown as error:
        seconds: float | None = error.retry_after_seconds
        print(seconds)
        return None
    reference: str = payment.reference
    time: datetime | None = payment.create_time
    print(reference, time)
    return payment.amount


def charge_later(client: AsyncPaymentsClient) -> Awaitable[Payment]:
    return client.charge(order_id=342, amount=Decimal("561.00"))


def watch(client: PaymentsClient) -> Failure | None:
    for update in client.watch_payments(customer_id="customer-7", types=[PaymentEventType.FAILED]):
        if update.event is not None:
            return update.event.payment.failure
    return None


def charge_in_a_test() -> str | None:
    fake = FakePayments(default_source="sim_declined")
    with fake.client() as client:
        payment = client.charge(external_reference="ORD-1", amount=Decimal("561.00"), labels={"channel": "web"})
    asynchronous: AsyncPaymentsClient = fake.async_client()
    print(asynchronous)
    return payment.labels.get("channel")


def payment_ids(client: PaymentsClient) -> list[int]:
    return [payment.payment_id for payment in client.list_payments(min_create_time=datetime(2026, 1, 1, tzinfo=UTC))]


def refunded_amounts(client: PaymentsClient, payment_id: int) -> list[Decimal]:
    token: str = client.get_payment(payment_id=payment_id).next_refunds_page_token
    return [refund.amount for refund in client.list_refunds(payment_id=payment_id, page_size=100, page_token=token)]
"""


class UserAgents(grpc.GenericRpcHandler):
    """A server without methods, which records the user agents of its callers."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.seen: list[str] = []
        self.server = grpc.server(ThreadPoolExecutor(1), handlers=[self])
        self.target = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        """Record a call; without a handler, gRPC answers it with UNIMPLEMENTED."""
        self.seen.append(str(dict(handler_call_details.invocation_metadata)["user-agent"]))


@pytest.fixture
def user_agents() -> Iterator[UserAgents]:
    user_agents = UserAgents()
    yield user_agents
    user_agents.server.stop(None)


def versions() -> dict[str, str]:
    """Return the version of each client, from the only file that sets it."""
    pom = ET.parse(CLIENTS / "java" / "pom.xml").getroot()  # noqa: S314 (our own file)
    go_version = re.search(r'^const Version = "(.*)"', (CLIENTS / "go" / "doc.go").read_text("utf-8"), re.MULTILINE)
    assert go_version is not None
    return {
        "python": tomllib.loads((CLIENTS / "python" / "pyproject.toml").read_text("utf-8"))["project"]["version"],
        "typescript": json.loads((CLIENTS / "typescript" / "package.json").read_text("utf-8"))["version"],
        "go": go_version[1],
        "java": pom.findtext("{*}properties/{*}revision") or "",
    }


def contents(archive: Path) -> dict[str, str]:
    """Return the text files in a package, by their paths."""
    if archive.suffix in {".gz", ".tgz"}:
        with tarfile.open(archive) as tar:
            files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            data = {name: file.read() for name, file in files.items() if file is not None}
    else:
        with ZipFile(archive) as zip_file:
            data = {info.filename: zip_file.read(info) for info in zip_file.infolist() if not info.is_dir()}
    return {name: content.decode(errors="replace") for name, content in data.items()}


def run_program(command: Command, folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PAYMENTS_TARGET": target}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("install", [java, go, typescript, python_from_wheel, python_from_sdist])
def test_a_client_installs_into_an_empty_project_and_makes_the_first_charge_of_its_readme(
    install: Callable[[Path], Command], service: RunningService, user_agents: UserAgents, tmp_path: Path
) -> None:
    command = install(tmp_path)

    result = run_program(command, tmp_path, service.target)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^\d+ SUCCEEDED \S+\n100\.00 PARTIAL\n", result.stdout), result.stdout
    assert re.search(r" 561\.00 INR UPI SUCCEEDED$", result.stdout, re.MULTILINE), result.stdout

    language = install.__name__.partition("_")[0]
    assert run_program(command, tmp_path, user_agents.target).returncode != 0
    (user_agent,) = user_agents.seen
    assert user_agent.startswith(f"payments-client-{language}/{versions()[language]} ")


@pytest.mark.parametrize("language", EXAMPLES)
def test_the_first_program_of_a_readme_is_the_example(language: str) -> None:
    assert first_block(language, language) == (CLIENTS / language / EXAMPLES[language]).read_text("utf-8")


def test_all_clients_have_the_same_version_and_the_major_version_of_the_proto_package() -> None:
    (version,) = set(versions().values())
    proto = (ROOT / "proto/payments/v1/payments.proto").read_text("utf-8")
    assert f"\npackage payments.v{version.split('.')[0]};\n" in proto


@pytest.mark.parametrize("pattern", ARCHIVES.values(), ids=ARCHIVES)
def test_a_package_contains_the_license_and_the_readme_but_no_programs_and_no_builds(pattern: str) -> None:
    files = contents(package(pattern))
    licenses = [text for name, text in files.items() if Path(name).name == "LICENSE"]
    assert licenses == [(ROOT / "LICENSE").read_text("utf-8")]
    assert any(re.search(r"^# Payments client for \w+$", text, re.MULTILINE) for text in files.values())
    folders = {folder for name in files for folder in Path(name).parts[:-1]}
    assert folders & {"build", "conformance", "example", "node_modules", "target", "test", "tests"} == set()


def test_the_checksums_cover_all_packages() -> None:
    checksums = DIST / "SHA256SUMS"
    run("sha256sum", "--check", "--strict", "--quiet", checksums.name, folder=DIST)
    listed = {line.partition("  ")[2] for line in checksums.read_text("utf-8").splitlines()}
    assert listed == {str(path.relative_to(DIST)) for path in DIST.rglob("*") if path.is_file()} - {checksums.name}


def test_the_pom_needs_no_parent_and_the_javadoc_is_complete() -> None:
    pom = ET.parse(package(f"{MAVEN_FOLDER}/*.pom")).getroot()  # noqa: S314 (our own file)
    assert pom.find("{*}parent") is None
    assert pom.findtext("{*}version") == versions()["java"]
    javadoc = contents(package(f"{MAVEN_FOLDER}/*-javadoc.jar"))
    assert "payments/PaymentsClient.html" in javadoc


@pytest.mark.parametrize("registry", ["https://npm.example.com/", None])
def test_npm_publishes_only_to_a_registry_that_is_set_for_the_scope(registry: str | None, tmp_path: Path) -> None:
    (tmp_path / "npmrc").write_text(f"@payments:registry={registry}\n" if registry else "", "utf-8")
    options = ["--dry-run", "--json", "--offline", "--userconfig", "npmrc"]
    result = subprocess.run(
        ["npm", "publish", *options, package(NPM_TARBALL)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    (destination,) = re.findall(r"Publishing to (\S+)", result.stderr)
    assert destination == (registry or "https://set-the-registry-of-the-scope-in-npmrc.invalid/")


@pytest.mark.parametrize("pattern", [WHEEL, SDIST])
def test_the_public_python_index_rejects_the_package(pattern: str) -> None:
    files = contents(package(pattern))
    (metadata,) = (text for name, text in files.items() if Path(name).name in {"METADATA", "PKG-INFO"})
    assert f"\nClassifier: {CLASSIFIER}\n" in metadata


@pytest.fixture(scope="module")
def python_with_mypy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment with the wheel and mypy."""
    return install_python(tmp_path_factory.mktemp("typed"), package(WHEEL), "mypy")


def mypy(python: Path, program: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "mypy", "--strict", "--no-incremental", program.name]
    return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False)


def test_a_program_that_uses_the_wheel_passes_mypy_strict(python_with_mypy: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(TYPED_PROGRAM, "utf-8")
    result = mypy(python_with_mypy, program)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("correct", "incorrect", "message"),
    [
        ('amount=Decimal("561.00"), method', "amount=561.00, method", 'Argument "amount" to "charge"'),
        ("method=PaymentMethod.UPI", 'method="UPI"', 'Argument "method" to "charge"'),
        ("return payment.amount", "return payment.total", '"Payment" has no attribute "total"'),
        ("min_create_time=datetime", "since=datetime", 'Unexpected keyword argument "since"'),
        ("types=[PaymentEventType.FAILED]", "types=[7]", "incompatible type"),
        ('default_source="sim_declined"', "default_source=7", 'Argument "default_source" to "FakePayments"'),
        ("page_size=100", 'page_size="100"', 'Argument "page_size" to "list_refunds"'),
    ],
)
def test_mypy_reports_incorrect_uses_of_the_wheel(
    python_with_mypy: Path, tmp_path: Path, correct: str, incorrect: str, message: str
) -> None:
    assert TYPED_PROGRAM.count(correct) == 1
    program = tmp_path / "program.py"
    program.write_text(TYPED_PROGRAM.replace(correct, incorrect), "utf-8")
    result = mypy(python_with_mypy, program)
    assert result.returncode == 1
    assert message in result.stdout
