"""``docs/operations/runbook.md`` has a section for each alert, and everything that it names exists."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from server.config.settings import Settings
from server.observability.metrics import REGISTRY
from server.transport.pipeline import errors
from tests.support.programs import ROOT
from tools.cli.main import app

RUNBOOK = (ROOT / "docs/operations/runbook.md").read_text(encoding="utf-8")
RULES = [*(ROOT / "deploy" / "prometheus").glob("*.yml")]
CODE = re.compile(r"```sh\n(.*?)```|`([^`]+)`", re.DOTALL)
SECTION = re.compile(r"^### (\S+)\n(.*?)(?=^##)", re.MULTILINE | re.DOTALL)


def alerts() -> dict[str, str]:
    """Return the name and the runbook URL of each alert."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules}


def code_snippets(text: str = RUNBOOK) -> list[str]:
    """Return the code blocks and the inline code, each on one line."""
    return [" ".join((block or inline).split()) for block, inline in CODE.findall(text)]


def test_each_alert_has_a_section_at_its_url_and_each_section_has_an_alert() -> None:
    sections = dict(SECTION.findall(RUNBOOK + "\n##"))

    assert sections.keys() == alerts().keys()
    for name, url in alerts().items():
        assert url == f"docs/operations/runbook.md#{name.lower()}"
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in sections[name], (name, part)


def test_each_referenced_section_exists() -> None:
    named = set(re.findall(r"\bPayments[A-Z]\w+", RUNBOOK))

    assert named <= alerts().keys()


COMMAND = re.compile(r"(?<!-n )(?<![\w/-])payments ([a-z][^#|;]*)")


@pytest.mark.parametrize(
    "words", sorted({found.strip() for code in code_snippets() for found in COMMAND.findall(code)})
)
def test_each_command_and_its_options_exist(words: str) -> None:
    # Typer bundles its own copy of click, which has no types.
    command: Any = typer.main.get_command(app)
    for word in words.split():
        if hasattr(command, "commands"):
            assert word in command.commands
            command = command.commands[word]
        elif word.startswith("--") and word != "--help":
            assert word in {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    assert not hasattr(command, "commands")


def test_each_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert {found for code in code_snippets() for found in re.findall(r"(?:^| )make ([a-z-]+)", code)} <= targets


def test_each_event_is_logged_by_the_service() -> None:
    logged = yaml.safe_load((ROOT / "tests/surface/snapshot/log_events.yaml").read_text(encoding="utf-8")).keys()
    named = set(re.findall(r"\bevents?\s+`([a-z_]+)`", RUNBOOK)) | set(re.findall(r"`(processor_[a-z_]+)`", RUNBOOK))
    named |= set(re.findall(r"\.event [!=]= \"(\w+)\"", RUNBOOK))
    named |= {
        code
        for code in code_snippets()
        if re.fullmatch(r"draining|health|health_check_failed|database_unavailable", code)
    }

    assert len(named) > 5
    assert named <= logged


def test_each_metric_is_exported_or_recorded_by_a_rule() -> None:
    known = {sample.name for family in REGISTRY.collect() for sample in family.samples}
    known |= {family.name for family in REGISTRY.collect()}
    known |= {f"{family.name}{end}" for family in REGISTRY.collect() for end in ("_total", "_count", "_sum", "_bucket")}
    for path in RULES:
        known |= set(re.findall(r"\bpayments_\w+", path.read_text(encoding="utf-8")))
    known |= {re.sub(r"_(?:bucket|count|sum)$", "", name) for name in known}
    accounts = {"payments_service", "payments_"}
    named = {name for code in code_snippets() for name in re.findall(r"\b(?:payments|process)_[a-z_]*", code)}

    assert named - accounts <= known


def test_each_setting_exists() -> None:
    names = {name.upper() for name in Settings.model_fields}
    prefixes = {name.split("_")[0] for name in names}
    reasons = {rule.reason for rule in errors._RULES.values()}
    words = {word for code in code_snippets() for word in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", code)}
    named = {word for word in words - reasons if word.split("_")[0] in prefixes}

    assert named
    assert named <= names


def test_each_page_and_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", RUNBOOK):
        assert (ROOT / "docs/operations" / target).resolve().exists(), target
    for target in re.findall(r"\b(?:docs|deploy)/[\w./-]+\w", RUNBOOK):
        assert Path(ROOT / target).exists(), target
