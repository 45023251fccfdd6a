"""A real browser, for tests of web pages."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tools.dev.browser_program import find_or_install_program

TIMEOUT_MILLISECONDS = 20_000

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Start Chromium with additional command-line flags; install it first if necessary."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_or_install_program(), headless=True, args=[*_FLAGS, *flags]
        )
        yield browser
        browser.close()
