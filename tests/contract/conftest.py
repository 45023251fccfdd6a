"""Fixtures of the TLS tests: services with TLS, and their certificate files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.drivers.tls_service import RELOAD, Files, TlsService
from tests.support.running_service import RunningService


@pytest.fixture
def tls_files(tmp_path: Path) -> Files:
    return Files(tmp_path, Authority(), Authority())


@pytest.fixture
def start_tls_service(tls_files: Files, start_service: Callable[..., RunningService]) -> Callable[..., TlsService]:
    def start(**settings: str) -> TlsService:
        return TlsService(start_service(**{**tls_files.write(), **settings}), tls_files)

    return start


@pytest.fixture
def tls_service(start_tls_service: Callable[..., TlsService]) -> TlsService:
    return start_tls_service(**RELOAD)


@pytest.fixture
def mutual_tls_service(start_tls_service: Callable[..., TlsService], tls_files: Files) -> TlsService:
    return start_tls_service(**tls_files.write_authorities(), **RELOAD)
