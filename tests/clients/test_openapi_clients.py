"""Clients generated from the committed OpenAPI document compile, and charge, get and list payments."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.drivers.requests import new_order_id
from tests.support.installed_clients import Command, run
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.dev.generate import DOCUMENT

PROGRAMS = ROOT / "tests" / "clients" / "openapi"
NODE_MODULES = ROOT / "clients" / "typescript" / "node_modules"
PYTHON = ROOT / ".cache" / "openapi-python-client" / "bin" / "python"
MYPY_CACHE = ROOT / ".cache" / "openapi-mypy"


def oapi_codegen(folder: Path) -> Command:
    """Generate a Go client and return the command of the program that uses it."""
    options = ["-generate", "types,client", "-package", "main", "-o", "client.gen.go"]
    run(ROOT / ".bin" / "oapi-codegen", *options, ROOT / DOCUMENT, folder=folder)
    run("go", "vet", ".", folder=folder)
    run("go", "build", "-o", "charge", ".", folder=folder)
    return [folder / "charge"]


def openapi_python_client(folder: Path) -> Command:
    """Generate a Python client and return the command of the program that uses it."""
    generator = [
        "-m",
        "openapi_python_client",
        "generate",
        "--fail-on-warning",
        "--meta",
        "none",
        "--config",
        "generator.yaml",
    ]
    run(PYTHON, *generator, "--path", ROOT / DOCUMENT, "--output-path", "payments_rest", folder=folder)
    mypy = Path(sys.executable).with_name("mypy")
    run(mypy, "--strict", "--cache-dir", MYPY_CACHE, "--python-executable", PYTHON, "charge.py", folder=folder)
    return [PYTHON, "charge.py"]


def openapi_typescript(folder: Path) -> Command:
    """Generate TypeScript types and return the command of the program that uses them."""
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    run(NODE_MODULES / ".bin" / "openapi-typescript", ROOT / DOCUMENT, "-o", "api.ts", folder=folder)
    run(NODE_MODULES / ".bin" / "tsc", folder=folder)
    return ["node", "charge.js"]


def test_the_snippet_for_browsers_in_the_typescript_readme_compiles(tmp_path: Path) -> None:
    folder = tmp_path / "typescript"
    shutil.copytree(PROGRAMS / "typescript", folder)
    readme = (ROOT / "clients" / "typescript" / "README.md").read_text("utf-8")
    (snippet,) = re.findall(r'```typescript\n(import createClient from "openapi-fetch";\n.*?)```', readme, re.DOTALL)
    (folder / "page.ts").write_text(snippet, "utf-8")
    openapi_typescript(folder)
    assert (folder / "page.js").exists()


@pytest.mark.parametrize(
    ("language", "generate"),
    [("go", oapi_codegen), ("python", openapi_python_client), ("typescript", openapi_typescript)],
)
def test_a_generated_client_charges_gets_and_lists_a_payment(
    language: str, generate: Callable[[Path], Command], service: RunningService, tmp_path: Path
) -> None:
    folder = tmp_path / language
    shutil.copytree(PROGRAMS / language, folder)
    order_id = str(new_order_id())

    output = json.loads(run(*generate(folder), service.rest_url, order_id, folder=folder))

    charged = output["charged"]
    assert charged["orderId"] == order_id
    assert charged["amount"] == {"currencyCode": "INR", "units": "561", "nanos": 250_000_000}
    assert (charged["method"], charged["status"]) == ("PAYMENT_METHOD_UPI", "PAYMENT_STATUS_SUCCEEDED")
    assert output["got"] == charged
    assert output["listed"] == [charged]
