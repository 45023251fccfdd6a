"""The hooks of ``make hooks``: each rejects a commit with the kind of mistake that it looks for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.programs import ROOT

CONFIGURATION = ".pre-commit-config.yaml"
HOOKS = {
    hook["id"]: hook for repo in yaml.safe_load((ROOT / CONFIGURATION).read_text())["repos"] for hook in repo["hooks"]
}

MISTAKES = {
    "ruff-format": ("server/__main__.py", "main()", "main( )"),
    "ruff-check": ("server/__main__.py", "main()", "main(); x = 1"),
    "import-linter": ("server/domain/money.py", "\nfrom ", "\nimport aiomysql\nfrom "),
    "buf": ("proto/payments/v1/payments.proto", "\nmessage ", "\nmessage Lower_case {}\nmessage "),
    "hadolint": ("Dockerfile", "python:3.11", "python:latest AS other\nFROM python:3.11"),
    "actionlint": (".github/workflows/ci.yml", "runs-on: ubuntu-24.04", "runs-on: ubuntu-99.04"),
    "uv-lock": ("pyproject.toml", '"aiomysql>=0.3.2",', '"aiomysql>=0.3.1",'),
}
"""A mistake for each hook: a file, a text in it, and the text to replace it with."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a copy of the current files of this one, and its programs."""
    copy = tmp_path_factory.mktemp("repository")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    for folder in (".venv", ".bin"):
        (copy / folder).symlink_to(ROOT / folder)
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    subprocess.run(["git", "add", "--all"], cwd=copy, check=True)
    return copy


def run_hook(name: str, file: str, repository: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pre_commit", "run", name, "--files", file]
    return subprocess.run(command, cwd=repository, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_passes_correct_files_and_rejects_a_mistake(name: str, repository: Path) -> None:
    file, correct, mistake = MISTAKES[name]
    path = repository / file
    before = run_hook(name, file, repository)
    assert before.returncode == 0, before.stdout
    assert "Passed" in before.stdout

    assert correct in path.read_text()
    path.write_text(path.read_text().replace(correct, mistake, 1))
    after = run_hook(name, file, repository)
    subprocess.run(["git", "checkout", "--quiet", "--", file], cwd=repository, check=True)

    assert after.returncode == 1, after.stdout
    assert "Failed" in after.stdout


def test_each_hook_runs_pinned_programs() -> None:
    for hook in HOOKS.values():
        for command in hook["entry"].removeprefix("bash -c '").split(" && "):
            assert command.startswith((".venv/bin/", ".bin/")), hook["id"]
