"""Documents and comments name only files, links and tests that exist; the contract guide and the index are complete.

``docs/architecture.md`` also names only classes and functions that exist. The sources and the examples of clients in
``docs/testing-against-payments.md`` are those of the contract and of the clients' READMEs.
"""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from payments_client import PaymentStatus
from payments_client.testing import FakePayments

from server.domain.simulation import SimulatedSource
from server.processors.stripe import failures
from server.transport.pipeline.errors import REASONS
from tests.support.programs import ROOT
from tests.surface.errors import errors

DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(DOCS.rglob("*.md"))
INDEX = DOCS / "README.md"
TESTING = DOCS / "testing-against-payments.md"

FOLDERS = "bench|clients|data|deploy|docs|migrations|proto|server|tests|tools"
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./*-]*)`")
MODULE = re.compile(r"\b(?:docs/[a-z/-]+\.md|(?:bench|server|tests|tools)/[a-z_/]+\.py)\b")
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
TEST = re.compile(r"`(test_\w+)`")
NAME = re.compile(r"`([A-Z]\w*[a-z]\w*|[A-Z]?\w+\.\w+|[a-z]+_[a-z_]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SOURCE_ROW = re.compile(r"^\W*\| `(sim_\w+)` \| (.+) \|$", re.MULTILINE)
CLIENT_ROW = re.compile(r"^\| (Python|TypeScript|Go|Java) \| `(.+)` \|$", re.MULTILINE)
CLIENT_BLOCK = re.compile(r"^```(python|typescript|go|java)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ERROR_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \| (\d{3}) \| .* \| (no|yes|same key) \|$", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_path_in_a_document_exists(document: Path) -> None:
    paths = PATH.findall(document.read_text(encoding="utf-8"))
    assert [path for path in paths if not any(ROOT.glob(path.rstrip("/")))] == []


def test_every_module_and_document_named_in_code_and_configuration_exists() -> None:
    files = [ROOT / "Makefile", ROOT / "pyproject.toml"]
    # Not migrations: an applied migration must not change, not even its comments.
    for folder in ("bench", "deploy", "server", "tests", "tools"):
        files += (file for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".sql", ".yaml", ".yml"})
    mentions = {(path, file.name) for file in files for path in MODULE.findall(file.read_text(encoding="utf-8"))}
    assert [(path, file) for path, file in mentions if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_in_a_document_leads_to_an_existing_file_and_heading(document: Path) -> None:
    broken = []
    for link in local_links(document):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_test_named_in_a_document_exists(document: Path) -> None:
    tests = set(TEST.findall(document.read_text(encoding="utf-8")))
    assert tests - defined_names("tests") == set()


def test_the_index_has_every_page() -> None:
    indexed_pages = {(INDEX.parent / link.partition("#")[0]).resolve() for link in local_links(INDEX)}
    assert [page for page in DOCS.rglob("*.md") if page != INDEX and page not in indexed_pages] == []


def test_the_contract_guide_has_every_error_with_its_statuses() -> None:
    statuses = {reason: (error["grpc"], str(error["http"])) for reason, error in errors().items()}
    assert statuses.keys() == REASONS
    assert sorted((reason, (code, status)) for reason, code, status, _ in error_rows()) == sorted(statuses.items())


def test_the_contract_guide_advises_a_retry_after_every_error_with_a_retry_delay() -> None:
    reasons_with_delay = {reason for reason, error in errors().items() if "retry after" in error}
    assert reasons_with_delay & {reason for reason, _, _, retry in error_rows() if retry == "no"} == set()


def test_the_testing_page_has_the_table_of_sources_of_the_contract() -> None:
    contract = SOURCE_ROW.findall((ROOT / "proto/payments/v1/payments.proto").read_text(encoding="utf-8"))
    assert SOURCE_ROW.findall(TESTING.read_text(encoding="utf-8")) == contract
    assert [source for source, _ in contract] == list(SimulatedSource)


def test_the_tests_of_the_testing_page_are_those_of_the_readmes_of_the_clients() -> None:
    blocks = CLIENT_BLOCK.findall(TESTING.read_text(encoding="utf-8"))
    assert [language for language, _ in blocks] == ["python", "typescript", "go", "java"]
    for language, block in blocks:
        assert block in client_readme(language)


def test_the_charges_of_the_testing_page_use_the_names_of_the_clients() -> None:
    charges = dict(CLIENT_ROW.findall(TESTING.read_text(encoding="utf-8")))
    assert list(charges) == ["Python", "TypeScript", "Go", "Java"]
    for language, charge in charges.items():
        readme = client_readme(language.lower())
        assert [name for name in re.findall(r"[A-Za-z_]\w+", charge) if not re.search(rf"\b{name}\b", readme)] == []
    with FakePayments().client() as client:
        payment = eval(charges["Python"], {"client": client, "Decimal": Decimal})  # noqa: S307 - our own page
    assert payment.status == PaymentStatus.FAILED


def test_the_page_on_the_processor_has_every_failure_code_of_stripe() -> None:
    section = (DOCS / "operations/processor.md").read_text(encoding="utf-8").partition("## Failures")[2]
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| (`.*`) \|$", section.partition("\n## ")[0], re.MULTILINE))
    documented = {reason: re.findall(r"`(\w+)`", codes) for reason, codes in rows.items()}
    assert documented == {reason: codes.split() for reason, codes in vars(failures)["_CODES"].items()}


def test_every_class_and_function_named_in_the_architecture_exists() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    architecture, _, packages = text.partition("## Custom code, and why")
    assert packages, "the last section names packages, whose names are not in `server`"
    participants = re.findall(r"participant \w+ as ([A-Za-z]\w+)$", architecture, re.MULTILINE)
    mentioned = {*NAME.findall(CODE_BLOCK.sub("", architecture)), *participants}
    known = defined_names("server") | OTHER_NAMES
    assert {name for name in mentioned if name not in known} == set()


OTHER_NAMES = {
    "AsyncExitStack",
    "batching.py",
    "caller",
    "codec",
    "consumer",
    "database",
    "payment_events",
    "payment_outbox",
    "payments.audit",
    "pyproject.toml",
    "queries.py",
    "request_id",
    "structlog.get_logger",
    "unless_pending",
}
"""Names in the architecture that `server` does not define: files, tables, fields, roles, participants, functions of
libraries.
"""


def local_links(document: Path) -> list[str]:
    """Return the targets of a document's links, except those to other sites."""
    return LINK.findall(CODE_BLOCK.sub("", document.read_text(encoding="utf-8")))


def client_readme(language: str) -> str:
    """Return the README of a client, whose tests run its examples."""
    return (ROOT / "clients" / language / "README.md").read_text(encoding="utf-8")


def error_rows() -> list[tuple[str, str, str, str]]:
    """Return the reason, gRPC code, HTTP status and retry advice of each error in the contract guide."""
    return ERROR_ROW.findall((DOCS / "contract.md").read_text(encoding="utf-8"))


@cache
def defined_names(folder: str) -> set[str]:
    """Return the names of all classes, methods, functions and module variables in a folder."""
    files = (ROOT / folder).rglob("*.py")
    return set(chain.from_iterable(names_in_module(ast.parse(file.read_text(encoding="utf-8"))) for file in files))


def names_in_module(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield statement.name
            case ast.ClassDef():
                yield statement.name
                for inner in statement.body:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                        yield f"{statement.name}.{inner.name}"
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub creates for the headings of a document."""
    headings = HEADING.findall(CODE_BLOCK.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
