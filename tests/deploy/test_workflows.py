"""The workflows: they run the commands of ``.ci/run`` and the audit, release only if both pass, and pin actions."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programs import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))

Workflow = dict[Any, Any]


def load(name: str) -> Workflow:
    workflow: Workflow = yaml.safe_load((ROOT / ".github" / name).read_text())
    return workflow


def triggers(workflow: Workflow) -> set[str]:
    return set(workflow[True])  # YAML parses the key `on` as true


def commands(job: Workflow) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_action_is_pinned_to_a_commit_with_its_version_in_a_comment(path: Path) -> None:
    actions = re.findall(r"uses: (.*)", path.read_text())
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/\w+\.yml", action)


def test_each_action_is_used_in_one_version() -> None:
    actions = {action for path in WORKFLOWS for action in re.findall(r"uses: (\S+@.*)", path.read_text())}
    assert len({action.partition("@")[0] for action in actions}) == len(actions)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_only_the_release_job_has_write_permissions(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    permissions = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert permissions == (
        {"release": {"contents": "write", "packages": "write"}} if path.name == "release.yml" else {}
    )


def test_ci_runs_the_make_targets_of_the_project_s_own_ci_script() -> None:
    own = re.findall(r"^make (?:--jobs \d+ )?(\w+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    job = load("workflows/ci.yml")["jobs"]["make"]
    assert job["strategy"]["matrix"]["target"] == own
    assert 'make "$TARGET"' in commands(job)


def test_ci_tests_the_databases_of_the_project_s_own_ci_script_and_a_cluster() -> None:
    own = (ROOT / ".ci/run").read_text()
    databases = re.findall(r"^make test-database DATABASE=(\w+)$", own, re.MULTILINE)
    jobs = load("workflows/ci.yml")["jobs"]
    assert jobs["database"]["strategy"]["matrix"]["database"] == databases
    assert "make test-cluster" in own.splitlines()
    assert "make test-cluster" in commands(jobs["cluster"])


def test_make_test_databases_runs_on_every_database_that_ci_does() -> None:
    (names,) = re.findall(r"^DATABASES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    matrix = load("workflows/ci.yml")["jobs"]["database"]["strategy"]["matrix"]["database"]
    assert {*matrix, "galera"} <= set(names.split())


def test_the_image_is_tested_for_each_change_and_each_release() -> None:
    job = load("workflows/ci.yml")["jobs"]["image"]
    assert commands(job) == ["make smoke-image"]
    assert job["if"] == "github.event_name != 'schedule'"


def test_each_job_runs_a_make_target_that_has_a_help_text() -> None:
    described = set(re.findall(r"^([\w-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    matrix = set(load("workflows/ci.yml")["jobs"]["make"]["strategy"]["matrix"]["target"])
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values() if "steps" in job]
    scripts = "\n".join(command for job in jobs for command in commands(job))
    targets = set(re.findall(r"^make ([\w-]+)", scripts, re.MULTILINE))
    assert {"audit", "sbom", "smoke-image"} <= targets
    assert matrix | targets <= described


def test_the_audit_runs_for_each_change_and_each_week_but_not_in_the_project_s_own_ci_script() -> None:
    workflow = load("workflows/ci.yml")
    assert {"push", "pull_request", "schedule"} <= triggers(workflow)
    assert "if" not in workflow["jobs"]["audit"]
    assert commands(workflow["jobs"]["audit"]) == ["make audit"]
    assert "audit" not in (ROOT / ".ci/run").read_text()


def test_a_release_needs_ci_to_pass_and_publishes_its_packages_contract_and_clients() -> None:
    jobs = load("workflows/release.yml")["jobs"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert "workflow_call" in triggers(load("workflows/ci.yml"))
    assert jobs["release"]["needs"] == "ci"
    sbom = next(run for run in commands(jobs["release"]) if run.startswith("make sbom"))
    descriptors = next(run for run in commands(jobs["release"]) if run.startswith("make descriptors"))
    archive = next(run for run in commands(jobs["release"]) if run.startswith("tar --create"))
    publish = next(run for run in commands(jobs["release"]) if "gh release create" in run)
    assert sbom.partition("SBOM=")[2] in publish
    assert descriptors.partition("DESCRIPTORS=")[2] in publish
    assert commands(jobs["release"]).index("make dist") == commands(jobs["release"]).index(archive) - 1
    assert archive.partition("--file ")[2].split()[0] in publish
    (image,) = (step["with"] for step in jobs["release"]["steps"] if "build-push" in step.get("uses", ""))
    assert (image["push"], image["sbom"], image["provenance"]) == (True, True, "mode=max")


def test_no_command_contains_an_expression() -> None:
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            assert not [run for run in commands({"steps": job.get("steps", [])}) if "${{" in run], path.name


def test_dependabot_updates_everything_that_is_pinned() -> None:
    updated: dict[str, set[str]] = {}
    for update in load("dependabot.yml")["updates"]:
        folders = update.get("directories") or [update["directory"]]
        updated.setdefault(update["package-ecosystem"], set()).update(folders)
    modules = {f"/{path.parent.relative_to(ROOT)}" for path in ROOT.rglob("go.mod") if not is_ignored(path)}
    assert updated == {
        "github-actions": {"/"},
        "devcontainers": {"/"},
        "docker": {"/"},
        "docker-compose": {"/"},
        "uv": {"/"},
        "pip": {f"/{path.parent.relative_to(ROOT)}" for path in ROOT.rglob("requirements.txt") if not is_ignored(path)},
        "gomod": modules,
        "npm": {"/clients/typescript"},
        "maven": {"/clients/java"},
    }


def is_ignored(path: Path) -> bool:
    return bool({".venv", ".bin", ".cache", ".data", "node_modules"} & set(path.relative_to(ROOT).parts))
