"""The TypeScript client in a real browser, bundled in a project of another team, against the service inside Envoy."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from server.config.grpc import Engine
from tests.support.certificates import Authority
from tests.support.drivers.chromium import TIMEOUT_MILLISECONDS, chromium
from tests.support.drivers.requests import new_order_id
from tests.support.drivers.tls_service import Files
from tests.support.installed_clients import CLIENTS, NPM_TARBALL, first_block, package, run
from tests.support.running_service import RunningService

# The first test may have to install the browser.
pytestmark = pytest.mark.timeout(900)

StartService = Callable[..., RunningService]

LOCKED = json.loads((CLIENTS / "typescript" / "package-lock.json").read_text("utf-8"))["packages"]
TOOLS = [f"{name}@{LOCKED[f'node_modules/{name}']['version']}" for name in ("esbuild", "nice-grpc-web", "typescript")]

WEB = '"@payments/client/web"'

PROGRAM = """\
import { Decimal, InvalidRequest, PaymentsClient, PaymentsError, status } from "@payments/client/web";

const amount = new Decimal("5.25");

async function errorOf(call: Promise<unknown>) {
  try {
    await call;
  } catch (error) {
    if (error instanceof PaymentsError) {
      const violations = error instanceof InvalidRequest ? error.violations.map(({ field }) => field) : [];
      return { name: error.name, code: status[error.code], reason: error.reason, callId: error.callId, violations };
    }
    throw error;
  }
  return undefined;
}

class Program {
  readonly seen: string[] = [];
  readonly #client: PaymentsClient;

  constructor(url: string, timeoutSeconds: number) {
    this.#client = new PaymentsClient({ url, timeoutSeconds });
  }

  async charge(orderId: string) {
    const { paymentId } = await this.#client.charge({ orderId, amount, method: "UPI" });
    return JSON.stringify((await this.#client.getPayment({ paymentId })).payment);
  }

  failToCharge(orderId: string) {
    return errorOf(this.#client.charge({ orderId, amount, method: "UPI" }));
  }

  async watch() {
    for await (const { event } of this.#client.watchPayments()) {
      this.seen.push(event === undefined ? "" : `${event.type} ${event.payment.orderId}`);
    }
  }
}

declare global {
  interface Window {
    start(url: string, timeoutSeconds: number): void;
    program: Program;
  }
}
window.start = (url, timeoutSeconds) => {
  window.program = new Program(url, timeoutSeconds);
};
"""

START = "([url, timeoutSeconds]) => window.start(url, timeoutSeconds)"


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page and its bundled program. TypeScript's default settings accept it, and the README's page."""
    project = tmp_path_factory.mktemp("project")
    run("npm", "init", "-y", folder=project)
    run("npm", "pkg", "set", "type=module", folder=project)
    run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", package(NPM_TARBALL), *TOOLS, folder=project)
    (project / "page.ts").write_text(PROGRAM, "utf-8")
    (project / "readme.ts").write_text(first_block("typescript", "typescript", containing=WEB), "utf-8")
    run("npx", "tsc", "--init", folder=project)
    run("npx", "tsc", "--noEmit", folder=project)
    run("npx", "esbuild", "page.ts", "--bundle", "--minify", "--outfile=site/page.js", folder=project)
    (project / "site" / "index.html").write_text("<!DOCTYPE html><script src=page.js></script>", "utf-8")
    shutil.rmtree(project / "node_modules")
    return project / "site"


@pytest.fixture(scope="module")
def site_port(site: Path) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    yield context.new_page()
    context.close()


def start_envoy(start_service: StartService, site_port: int, **settings: str) -> RunningService:
    """Start a service inside Envoy that pages of 127.0.0.1 may call."""
    return start_service(
        GRPC_ENGINE=str(Engine.ENVOY), CORS_ALLOWED_ORIGINS=f"http://127.0.0.1:{site_port}", **settings
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_of_an_allowed_origin_charges_reads_watches_and_gets_errors(
    start_service: StartService, site_port: int, page: Page, tmp_path: Path, scheme: str
) -> None:
    """Test HTTP/1.1, and with TLS HTTP/2, which browsers use only there."""
    tls = {} if scheme == "http" else Files(tmp_path, Authority(), Authority()).write()
    running = start_envoy(start_service, site_port, **tls)
    page.goto(f"http://127.0.0.1:{site_port}/")
    page.evaluate(START, [f"{scheme}://localhost:{running.port}", 20])
    page.evaluate("() => void window.program.watch()")
    page.wait_for_function("window.program.seen.length > 0")
    order_id = str(new_order_id())
    payment = json.loads(page.evaluate("(orderId) => window.program.charge(orderId)", order_id))
    assert (payment["orderId"], payment["amount"], payment["status"]) == (order_id, "5.25", "SUCCEEDED")
    page.wait_for_function("(orderId) => window.program.seen.includes(`CHARGED ${orderId}`)", arg=order_id)
    error = page.evaluate("() => window.program.failToCharge('-1')")
    assert error.pop("callId")
    assert error == {
        "name": "InvalidRequest",
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_REQUEST",
        "violations": ["order_id"],
    }


def test_a_watch_resumes_after_a_restart(start_service: StartService, site_port: int, page: Page) -> None:
    running = start_envoy(start_service, site_port)
    page.goto(f"http://127.0.0.1:{site_port}/")
    page.evaluate(START, [f"http://{running.target}", 60])
    page.evaluate("() => void window.program.watch()")
    page.wait_for_function("window.program.seen.length > 0")
    running.stop()
    running.start()
    order_id = str(new_order_id())
    page.evaluate("(orderId) => window.program.charge(orderId)", order_id)
    page.wait_for_function("(orderId) => window.program.seen.includes(`CHARGED ${orderId}`)", arg=order_id)


def test_a_page_of_another_origin_cannot_call(start_service: StartService, site_port: int, page: Page) -> None:
    running = start_envoy(start_service, site_port)
    origin = f"http://localhost:{site_port}"
    page.goto(f"{origin}/")
    page.evaluate(START, [f"http://{running.target}", 2])
    error = page.evaluate("(orderId) => window.program.failToCharge(orderId)", str(new_order_id()))
    assert (error["name"], error["code"], error["reason"]) == ("Unavailable", "UNAVAILABLE", "")
    running.wait_for("cross_site_refused", origin=origin, rpc="")
    assert httpx.get(f"{running.rest_url}/v1/payments").json()["total"] == 0
