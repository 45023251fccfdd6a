"""What documents and comments name is there: paths, links and tests.

In ``docs/architecture.md``, classes and functions are too.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from tests.support.programs import ROOT

DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
FOLDERS = "bench|clients|data|deploy|docs|migrations|proto|server|tests|tools"
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./*-]*)`")
MODULE = re.compile(r"\b(?:docs/[a-z/-]+\.md|(?:bench|server|tests|tools)/[a-z_/]+\.py)\b")
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
TEST = re.compile(r"`(test_\w+)`")
NAME = re.compile(r"`([A-Z]\w*[a-z]\w*|[A-Z]?\w+\.\w+|[a-z]+_[a-z_]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    named = PATH.findall(document.read_text(encoding="utf-8"))
    assert [path for path in named if not any(ROOT.glob(path.rstrip("/")))] == []


def test_every_module_and_document_that_code_and_settings_name_is_there() -> None:
    files = [ROOT / "Makefile", ROOT / "pyproject.toml"]
    # Not migrations: one that was applied must stay as it is, with its comments.
    for folder in ("bench", "deploy", "server", "tests", "tools"):
        files += (file for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".sql", ".yaml", ".yml"})
    named = {(path, file.name) for file in files for path in MODULE.findall(file.read_text(encoding="utf-8"))}
    assert [(path, file) for path, file in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_of_a_document_leads_to_a_file_and_a_heading_of_it(document: Path) -> None:
    broken = []
    for link in LINK.findall(BLOCK.sub("", document.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    named = set(TEST.findall(document.read_text(encoding="utf-8")))
    assert named - names("tests") == set()


def test_every_class_and_function_in_the_architecture_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    architecture, _, packages = text.partition("## Written here, and why")
    assert packages, "the last section is about packages, which have names of their own"
    participants = re.findall(r"participant \w+ as ([A-Za-z]\w+)$", architecture, re.MULTILINE)
    named = {*NAME.findall(BLOCK.sub("", architecture)), *participants}
    known = names("server") | OTHER_NAMES
    assert {name for name in named if name not in known} == set()


OTHER_NAMES = {
    "AsyncExitStack",
    "batching.py",
    "caller",
    "codec",
    "consumer",
    "database",
    "payment_events",
    "payment_outbox",
    "pyproject.toml",
    "queries.py",
    "request_id",
    "structlog.get_logger",
}
"""What is named besides: files by their last name, tables, and others' functions."""


@cache
def names(folder: str) -> set[str]:
    """Return the names of all classes and functions in a folder: ``Calls``, ``Calls.one``, ``run_forever``."""
    files = (ROOT / folder).rglob("*.py")
    return set(chain.from_iterable(defined(ast.parse(file.read_text(encoding="utf-8"))) for file in files))


def defined(module: ast.Module) -> Iterator[str]:
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
    """Return the anchors that GitHub gives the headings of a document."""
    headings = HEADING.findall(BLOCK.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
