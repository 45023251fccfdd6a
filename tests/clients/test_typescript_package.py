"""The TypeScript client works as another team installs it: as a tarball, in a project with default settings."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.installed_clients import NPM_TARBALL, first_block, package, run
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

CLIENT = ROOT / "clients" / "typescript"
INSTALL = ("npm", "install", "--prefer-offline", "--no-audit", "--no-fund")
LOCK = json.loads((CLIENT / "package-lock.json").read_text("utf-8"))
LOCKED_TYPESCRIPT = LOCK["packages"]["node_modules/typescript"]["version"]
TYPESCRIPT_VERSIONS = ["5.8.3", LOCKED_TYPESCRIPT, "7.0.2"]
"""The last version whose ``tsc --init`` writes ``module: commonjs``, the client's own, and the first native one."""

ES_MODULE = """\
import { createRequire } from "node:module";
import { Decimal, grpc, PaymentNotFound, PaymentsClient, PaymentsError, PreciseDate } from "@payments/client";
import { PaymentServiceClient, PaymentStatus } from "@payments/client/v1";

const required = createRequire(import.meta.url)("@payments/client");
const imported = { Decimal, grpc, PaymentNotFound, PaymentsClient, PaymentsError, PreciseDate };
for (const [name, value] of Object.entries(imported)) {
  console.log(name, typeof value, value === required[name]);
}
console.log(typeof PaymentServiceClient, PaymentStatus.SUCCEEDED);
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new project with the client, in an otherwise empty folder."""
    folder = tmp_path_factory.mktemp("installed")
    run("npm", "init", "-y", folder=folder)
    run(*INSTALL, package(NPM_TARBALL), folder=folder)
    return folder


@pytest.fixture
def project(installed: Path, tmp_path: Path) -> Path:
    """Return a copy of the new project that a test may change."""
    return shutil.copytree(installed, tmp_path / "project", symlinks=True)


@pytest.mark.parametrize(
    ("module_type", "version"),
    [*(("commonjs", version) for version in TYPESCRIPT_VERSIONS), ("module", LOCKED_TYPESCRIPT)],
)
def test_the_first_snippet_of_the_readme_runs_in_a_project_with_default_settings(
    module_type: str, version: str, project: Path, service: RunningService
) -> None:
    run("npm", "pkg", "set", f"type={module_type}", folder=project)
    run(*INSTALL, "--save-dev", f"typescript@{version}", folder=project)
    run("npx", "tsc", "--init", folder=project)
    (project / "first_charge.ts").write_text(first_block("typescript", "typescript"), "utf-8")
    run("npx", "tsc", folder=project)
    output = run("node", "first_charge.js", folder=project, environment={"PAYMENTS_TARGET": service.target})
    assert re.match(r"\d+ SUCCEEDED \S+\n100\.00 PARTIAL\n", output), output


def test_the_snippet_compiles_if_packages_can_load_only_their_own_dependencies(tmp_path: Path) -> None:
    """The layout is that of pnpm, which hides from a project what only its dependencies depend on."""
    isolated = "--install-strategy=linked"
    run("npm", "init", "-y", folder=tmp_path)
    run(*INSTALL, isolated, package(NPM_TARBALL), f"typescript@{LOCKED_TYPESCRIPT}", folder=tmp_path)
    assert not (tmp_path / "node_modules" / "@types").exists()
    run("npx", "tsc", "--init", folder=tmp_path)
    (tmp_path / "first_charge.ts").write_text(first_block("typescript", "typescript"), "utf-8")
    run("npx", "tsc", folder=tmp_path)


def test_es_modules_and_commonjs_load_the_same_classes(project: Path) -> None:
    (project / "names.mjs").write_text(ES_MODULE, "utf-8")
    output = run("node", "names.mjs", folder=project)
    assert output.splitlines() == [
        "Decimal function true",
        "grpc object true",
        "PaymentNotFound function true",
        "PaymentsClient function true",
        "PaymentsError function true",
        "PreciseDate function true",
        "function 2",
    ]


def test_the_example_of_the_fake_runs_in_a_project_with_default_settings(project: Path) -> None:
    run("npm", "pkg", "set", "type=module", folder=project)
    run(*INSTALL, "--save-dev", f"typescript@{LOCKED_TYPESCRIPT}", folder=project)
    run("npx", "tsc", "--init", folder=project)
    example = first_block("typescript", "typescript", containing='"@payments/client/testing"')
    (project / "checkout.test.ts").write_text(example, "utf-8")
    run("npx", "tsc", folder=project)
    run("node", "--test", "checkout.test.js", folder=project)
