"""``make audit``: every locked package is looked up, and a failed lookup never passes."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

import pytest

from tests.support.programs import ROOT
from tools.dev.audit import NONE_VULNERABLE, NOT_AUDITED, SOME_VULNERABLE, audit
from tools.dev.locked_packages import Package, go_packages, maven_packages, npm_packages, pip_packages, uv_packages

LOCK = (ROOT / "uv.lock").read_text()
UV = (ROOT / "tools/uv/requirements.txt").read_text()
MAVEN_OUTPUT = """
The following files have been resolved:
   payments.internal:payments-client:jar:1.0.0:compile
   io.grpc:grpc-api:jar:1.81.0:compile -- module io.grpc [auto]
   io.netty:netty-tcnative:jar:linux-x86_64:2.0.1.Final:runtime
   org.opentest4j:opentest4j:jar:1.3.0:test -- module org.opentest4j
"""

VULNERABILITY = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2026-1", "PYSEC-2026-1"],
    "summary": "Runs any code",
    "affected": [
        {"package": {"name": name}, "ranges": [{"events": [{"introduced": "0"}, {"fixed": fixed}]}]}
        for name, fixed in (("left-pad", "2.0"), ("right-pad", "3.0"))
    ],
}


class Database:
    """The API of the vulnerability database, with one vulnerable package; tests may replace the reply."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.queries: list[dict[str, Any]] = []
        self.vulnerable = Package("npm", "left-pad", "1.0")
        self.reply: tuple[int, bytes] | None = None
        database = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_known = self.path == f"/v1/vulns/{VULNERABILITY['id']}"
                database.respond(self, VULNERABILITY if is_known else {})

            def do_POST(self) -> None:
                assert self.path == "/v1/querybatch"
                queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
                database.queries += queries
                database.respond(self, {"results": [database.result(query) for query in queries]})

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def result(self, query: dict[str, Any]) -> dict[str, Any]:
        """Return the result for one package; the vulnerable package's result is on a second page."""
        wanted = Package(query["package"]["ecosystem"], query["package"]["name"], query["version"])
        if wanted != self.vulnerable:
            return {}
        if "page_token" not in query:
            return {"next_page_token": "second"}
        return {"vulns": [{"id": VULNERABILITY["id"], "modified": "2026-01-01T00:00:00Z"}]}

    def respond(self, handler: BaseHTTPRequestHandler, value: object) -> None:
        """Respond to one request."""
        status, body = self.reply or (200, json.dumps(value).encode())
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database()
    yield database
    database.server.shutdown()
    database.server.server_close()


def test_a_vulnerable_package_fails_the_audit_and_its_fix_is_shown(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit([database.vulnerable, Package("PyPI", "fine", "1")], database.url) == SOME_VULNERABLE
    output = capsys.readouterr().out
    assert "npm left-pad 1.0\n" in output
    assert "GHSA-aaaa-bbbb-cccc (CVE-2026-1); fixed in 2.0: Runs any code" in output
    assert "1 of 2 locked packages have known vulnerabilities (1 of PyPI, 1 of npm)." in output


def test_each_of_many_packages_is_looked_up_once(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    packages = {Package("Go", f"example.org/module{number}", "1.2.3") for number in range(1201)}
    assert audit(packages, database.url) == NONE_VULNERABLE
    assert len(database.queries) == 1201
    assert {query["package"]["name"] for query in database.queries} == {package.name for package in packages}
    assert "0 of 1201 locked packages have known vulnerabilities (1201 of Go)." in capsys.readouterr().out


@pytest.mark.parametrize(
    "reply", [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b'{"results": []}')]
)
def test_an_unusable_response_does_not_pass_the_audit(
    database: Database, reply: tuple[int, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    database.reply = reply
    assert audit([Package("PyPI", "fine", "1")], database.url) == NOT_AUDITED
    assert capsys.readouterr().out.startswith(
        "NOT AUDITED: cannot query the vulnerability database at http://127.0.0.1:"
    )


def test_an_unreachable_database_does_not_pass_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit([Package("PyPI", "fine", "1")], "http://127.0.0.1:1") == NOT_AUDITED
    assert "No result is available." in capsys.readouterr().out


def test_without_the_programs_that_list_packages_the_audit_does_not_pass() -> None:
    command = [sys.executable, "-m", "tools.dev.audit", "--database", "http://127.0.0.1:1"]
    run = subprocess.run(command, cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (NOT_AUDITED, "")
    assert run.stdout.startswith("NOT AUDITED: cannot list the locked packages: ")


def test_python_packages_are_all_pinned_packages_except_our_own() -> None:
    found = set(uv_packages(LOCK))
    assert len(found) == LOCK.count("[[package]]") - len({"payments-client", "payments-server"})
    assert {Package("PyPI", name, version(name)) for name in ("grpcio", "hatchling", "pytest")} <= found


def test_uv_is_among_the_audited_packages() -> None:
    assert set(pip_packages(UV)) == {Package("PyPI", "uv", version("uv"))}


def test_npm_packages_are_all_installed_packages_except_our_own() -> None:
    lock = {
        "packages": {
            "": {"version": "1.0.0"},
            "node_modules/@grpc/grpc-js": {"version": "1.2.3"},
            "node_modules/a/node_modules/b": {"version": "4.5.6"},
            "node_modules/own": {"link": True},
        }
    }
    assert set(npm_packages(json.dumps(lock))) == {
        Package("npm", "@grpc/grpc-js", "1.2.3"),
        Package("npm", "b", "4.5.6"),
    }
    assert set(npm_packages((ROOT / "clients/typescript/package-lock.json").read_text()))


@pytest.mark.parametrize(
    ("folder", "patterns", "name"),
    [
        ("clients/go", ["./..."], "google.golang.org/grpc"),
        ("clients/go/example", ["./..."], "google.golang.org/grpc"),
        ("tools/go", ["tool", "./..."], "sigs.k8s.io/kustomize/kustomize/v5"),
        ("bench", ["./..."], "github.com/go-sql-driver/mysql"),
    ],
)
def test_go_packages_are_the_built_modules_with_versions_as_the_database_writes_them(
    folder: str, patterns: list[str], name: str
) -> None:
    found = set(go_packages(ROOT / folder, patterns))
    (version,) = (package.version for package in found if package.name == name)
    assert f"{name} v{version}" in (ROOT / folder / "go.mod").read_text()
    assert not [package for package in found if package.name.startswith("payments")]


def test_maven_packages_are_all_resolved_packages_except_our_own() -> None:
    assert set(maven_packages(MAVEN_OUTPUT)) == {
        Package("Maven", "io.grpc:grpc-api", "1.81.0"),
        Package("Maven", "io.netty:netty-tcnative", "2.0.1.Final"),
        Package("Maven", "org.opentest4j:opentest4j", "1.3.0"),
    }
