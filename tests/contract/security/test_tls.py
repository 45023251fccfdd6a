"""TLS: encrypted gRPC and REST, callers identified by certificates, and reload of changed files."""

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from grpc_health.v1.health_pb2 import HealthCheckRequest
from payments_client import PaymentsClient, PaymentsError
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from server.domain.callers import Role
from tests.support.certificates import Authority, Issued
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import GrpcDriver, call_failed, health_stub
from tests.support.drivers.requests import charge, new_order_id, new_request_id
from tests.support.drivers.tls_service import RELOAD, Files, TlsService, list_code, loads, wait_until
from tests.support.keys import bearer, key_maker
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

SPIFFE = "spiffe://example.org/shop"


def serial_number(port: int, protocol: str) -> int:
    """Return the serial number of the certificate that the server presents on a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    with (
        socket.create_connection(("127.0.0.1", port), 10) as connection,
        context.wrap_socket(connection) as tls_connection,
    ):
        certificate = tls_connection.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number


def served_serials(service: RunningService) -> set[int]:
    return {serial_number(service.port, "h2"), serial_number(service.rest_port, "http/1.1")}


def test_the_python_client_grpcurl_and_curl_call_over_tls(tls_service: TlsService) -> None:
    service, authority = tls_service.service, tls_service.files.folder / "authority.pem"
    authority.write_bytes(tls_service.files.authority.certificate)
    credentials = grpc.ssl_channel_credentials(tls_service.files.authority.certificate)
    with PaymentsClient(service.target, credentials=credentials) as client:
        assert client.charge(order_id=new_order_id(), amount=Decimal(5)).payment_id
    grpcurl = [str(ROOT / ".bin" / "grpcurl"), "-cacert", str(authority), service.target]
    listed = subprocess.run([*grpcurl, "list"], capture_output=True, text=True, check=True, timeout=30)
    assert "payments.v1.PaymentService" in listed.stdout
    curl = ["curl", "-sS", "--cacert", str(authority)]
    url = f"{service.rest_url}/v1/payments"
    result = subprocess.run([*curl, url], capture_output=True, text=True, check=True, timeout=30)
    assert '"total":1' in result.stdout
    location = httpx.get(f"{url}/", verify=ssl.create_default_context(cafile=authority)).headers["location"]
    assert location == url


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_unencrypted_connections_and_old_protocol_versions_are_rejected(tls_service: TlsService) -> None:
    with grpc.insecure_channel(tls_service.service.target) as channel:
        assert list_code(channel) == "UNAVAILABLE"
    with pytest.raises(httpx.TransportError):
        httpx.get(tls_service.service.rest_url.replace("https", "http") + "/v1/payments")
    for port in (tls_service.service.port, tls_service.service.rest_port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", port), 10) as connection, pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(connection)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"uris": [SPIFFE, "spiffe://other"], "dns": ["shop.example"], "common_name": "Shop"}, SPIFFE),
        ({"dns": ["shop.example", "shop.other"], "common_name": "Shop"}, "shop.example"),
        ({"common_name": "The Shop"}, "The Shop"),
    ],
)
def test_the_name_of_the_certificate_is_the_caller_over_grpc_and_rest(
    mutual_tls_service: TlsService,
    names: dict[str, Any],
    expected: str,
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    client = mutual_tls_service.files.clients.issue(**names)
    request_id = new_request_id()
    with mutual_tls_service.channel(client) as channel:
        request = charge(order_id=7, amount="5", request_id=request_id)
        payment_id = GrpcDriver(channel).charge(request).payment.payment_id
    with mutual_tls_service.http(client) as http:
        body = {"orderId": "7", "amount": {"units": "5"}, "method": "PAYMENT_METHOD_UPI", "requestId": request_id}
        response = http.post("/v2/payments:charge", json=body)
    assert response.json()["payment"]["paymentId"] == str(payment_id)
    assert response.headers["idempotency-replayed"] == "true"
    rows = database_server.execute("SELECT caller FROM payments", (), migrated_database["MYSQL_DB"])
    assert rows == [(expected.encode(),)]
    events = [event for event in mutual_tls_service.service.events if event["event"] == "call"]
    assert [event["caller"] for event in events] == [expected] * 2


@pytest.mark.parametrize(
    "names",
    [
        {"common_name": "anonymous"},
        {},
        {"common_name": "caf\u00e9"},
        {"uris": [SPIFFE + "\0.evil"], "dns": ["shop"], "common_name": "shop"},
        {"dns": ["shop\0.evil"], "common_name": "shop"},
        {"common_name": "shop\0.evil"},
        {"common_name": "shop\n"},
        {"uris": [""], "dns": ["shop"], "common_name": "shop"},
        {"dns": [""], "common_name": "shop"},
        {"uris": [SPIFFE + "/" + "x" * 300], "common_name": "shop"},
        {"common_name": "shop", "other_common_names": ["till"]},
    ],
)
def test_a_certificate_without_a_valid_caller_name_is_rejected(
    mutual_tls_service: TlsService, names: dict[str, Any]
) -> None:
    client = mutual_tls_service.files.clients.issue(**names)
    with mutual_tls_service.channel(client) as channel, pytest.raises(grpc.RpcError) as error_info:
        GrpcDriver(channel).stub.ListPayments(pb.ListPaymentsRequest(), timeout=10)
    failed = call_failed(error_info.value)  # type: ignore[arg-type]
    assert (failed.code, failed.reason) == ("UNAUTHENTICATED", "CERTIFICATE_INVALID")
    with mutual_tls_service.http(client) as http:
        assert http.get("/v1/payments").status_code == 401
        response = http.get("/v2/payments")
    assert response.status_code == 401
    assert response.json()["details"][0]["reason"] == "CERTIFICATE_INVALID"


def test_a_certificate_with_malformed_names_is_rejected(mutual_tls_service: TlsService) -> None:
    not_ascii = {SPIFFE.encode(): SPIFFE[:-1].encode() + b"\xff"}
    client = mutual_tls_service.files.clients.issue(uris=[SPIFFE], dns=["shop"], common_name="shop", replaced=not_ascii)
    with mutual_tls_service.channel(client) as channel:
        assert list_code(channel) == "UNAUTHENTICATED"
    with mutual_tls_service.http(client) as http:
        if mutual_tls_service.service.engine is Engine.ENVOY:
            assert http.get("/v1/payments").status_code == 401
        else:
            # Python's TLS cannot decode the certificate either, and closes the connection.
            with pytest.raises(httpx.TransportError):
                http.get("/v1/payments")


def test_calls_require_a_trusted_certificate_and_rest_health_does_not(
    mutual_tls_service: TlsService,
) -> None:
    stranger = Authority().issue(common_name="shop")
    expired_client = mutual_tls_service.files.clients.issue(
        common_name="shop", not_after=datetime.now(UTC) - timedelta(hours=1)
    )
    for client in (None, stranger, expired_client):
        with mutual_tls_service.channel(client) as channel:
            assert list_code(channel) == "UNAVAILABLE"
    with mutual_tls_service.http() as http:
        for path in ("/v1/payments", "/v2/payments"):
            assert http.get(path).status_code == 401
        assert http.get("/readyz").status_code == http.get("/healthz").status_code == 200
    for client in (stranger, expired_client):
        with mutual_tls_service.http(client) as http, pytest.raises(httpx.TransportError):
            http.get("/healthz")
    assert not [event for event in mutual_tls_service.service.events if event.get("code") == "OK"]


def test_certificates_have_roles_by_name_and_an_api_key_overrides_the_certificate(
    start_tls_service: Callable[..., TlsService],
    tls_files: Files,
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    key = key_maker(database_server, migrated_database["MYSQL_DB"])("till", Role.READ)
    roles = f"{SPIFFE}=payments.charge+payments.read, auditor=payments.read, nobody="
    mutual_tls_service = start_tls_service(**tls_files.write_authorities(), CERTIFICATE_ROLES=roles)
    shop, auditor, nobody, other = (
        tls_files.clients.issue(uris=[SPIFFE]),
        *(tls_files.clients.issue(common_name=name) for name in ("auditor", "nobody", "another")),
    )
    for client, may_charge, may_list in (
        (shop, True, True),
        (auditor, False, True),
        (nobody, False, False),
        (other, False, False),
    ):
        with mutual_tls_service.channel(client) as channel, mutual_tls_service.http(client) as http:
            assert (list_code(channel) == "OK") is may_list
            assert http.get("/v2/payments").status_code == (200 if may_list else 403)
            charged = http.post("/v1/payments/charge", json={"order_id": 1, "amount": 1})
            assert charged.status_code == (201 if may_charge else 403)
    credentials = grpc.ssl_channel_credentials(tls_files.authority.certificate, shop.key, shop.certificate)
    with PaymentsClient(mutual_tls_service.service.target, credentials=credentials, api_key=key.text) as caller:
        assert list(caller.list_payments())
        with pytest.raises(PaymentsError, match=r"payments\.charge"):
            caller.charge(order_id=1, amount=Decimal(1))
    with (
        PaymentsClient(mutual_tls_service.service.target, credentials=credentials, api_key="wrong") as caller,
        pytest.raises(PaymentsError) as error_info,
    ):
        list(caller.list_payments())
    assert (error_info.value.code, error_info.value.reason) == (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID")
    with mutual_tls_service.http(shop) as http:
        assert http.get("/v1/payments", headers=dict(bearer(key))).status_code == 200
        assert http.get("/v1/payments", headers=dict(bearer("wrong"))).status_code == 401


def test_new_connections_get_a_new_certificate_while_old_connections_continue(tls_service: TlsService) -> None:
    service, files = tls_service.service, tls_service.files
    with tls_service.channel() as channel, tls_service.http() as http:
        assert (list_code(channel), http.get("/v1/payments").status_code) == ("OK", 200)
        socket_before = http._transport._pool.connections[0]  # type: ignore[attr-defined]
        other = Authority()
        issued = other.issue(dns=["localhost"])
        assert issued.serial_number not in served_serials(service)
        files.write(issued)
        wait_until(lambda: served_serials(service) == {issued.serial_number})
        assert (list_code(channel), http.get("/v1/payments").status_code) == ("OK", 200)
        assert http._transport._pool.connections == [socket_before]  # type: ignore[attr-defined]
    with tls_service.channel() as channel, tls_service.http() as http:
        assert list_code(channel) == "UNAVAILABLE"
        with pytest.raises(httpx.TransportError):
            http.get("/v1/payments")
    with tls_service.channel(trusted=other.certificate) as channel, tls_service.http(trusted=other.certificate) as http:
        assert (list_code(channel), http.get("/v1/payments").status_code) == ("OK", 200)


def test_changed_client_authorities_replace_the_previous_ones(mutual_tls_service: TlsService) -> None:
    files, later = mutual_tls_service.files, Authority()
    old, new = files.clients.issue(common_name="shop"), later.issue(common_name="shop")

    def is_admitted(client: Issued) -> bool:
        with mutual_tls_service.channel(client) as channel, mutual_tls_service.http(client) as http:
            codes = {list_code(channel)}
            try:
                codes.add({200: "OK"}.get(http.get("/v1/payments").status_code, "UNAVAILABLE"))
            except httpx.TransportError:
                codes.add("UNAVAILABLE")
        return codes == {"OK"} if len(codes) == 1 else pytest.fail(f"gRPC and REST differ: {codes}")

    assert (is_admitted(old), is_admitted(new)) == (True, False)
    files.write_authorities(files.clients, later)
    mutual_tls_service.service.wait_for("tls_files_loaded")
    wait_until(lambda: loads(mutual_tls_service.service) == 2)
    assert (is_admitted(old), is_admitted(new)) == (True, True)
    files.write_authorities(later)
    wait_until(lambda: loads(mutual_tls_service.service) == 3)
    assert (is_admitted(old), is_admitted(new)) == (False, True)


def test_invalid_files_are_reported_once_and_used_once_they_are_valid(
    tls_service: TlsService,
) -> None:
    service, files = tls_service.service, tls_service.files
    (before,) = served_serials(service)
    right = files.authority.issue(dns=["localhost"])
    (files.folder / "server.pem").write_bytes(right.certificate)
    wrong = service.wait_for("tls_files_wrong")
    assert "TLS_KEY_FILE" in wrong["detail"]
    assert "TLS_CERT_FILE" in wrong["detail"]
    time.sleep(1)
    assert served_serials(service) == {before}
    assert [event["event"] for event in service.events].count("tls_files_wrong") == 1
    with tls_service.channel() as channel:
        assert list_code(channel) == "OK"
    (files.folder / "server.key.pem").unlink()
    wait_until(lambda: [event["event"] for event in service.events].count("tls_files_wrong") == 2)
    (files.folder / "server.key.pem").write_bytes(right.key)
    wait_until(lambda: served_serials(service) == {right.serial_number})


def test_a_replaced_symbolic_link_is_followed_as_in_kubernetes(
    start_service: Callable[..., RunningService], tls_files: Files
) -> None:
    first, second = (tls_files.authority.issue(dns=["localhost"]) for _ in range(2))
    for name, issued in (("1", first), ("2", second)):
        (tls_files.folder / name).mkdir()
        issued.write(tls_files.folder / name, "tls")
    link = tls_files.folder / "now"
    link.symlink_to("1")
    service = start_service(
        TLS_CERT_FILE=str(link / "tls.pem"),
        TLS_KEY_FILE=str(link / "tls.key.pem"),
        **RELOAD,
    )
    assert served_serials(service) == {first.serial_number}
    (tls_files.folder / "next").symlink_to("2")
    (tls_files.folder / "next").replace(link)
    wait_until(lambda: served_serials(service) == {second.serial_number})


def key_missing(files: Files) -> str:
    (files.folder / "server.key.pem").unlink()
    return "TLS_KEY_FILE={key}: cannot be read: No such file or directory"


def certificate_not_pem(files: Files) -> str:
    (files.folder / "server.pem").write_bytes(b"\x30\x82 not PEM")
    return "TLS_CERT_FILE={certificate}: must contain certificates in PEM"


def key_not_pem(files: Files) -> str:
    (files.folder / "server.key.pem").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    return "TLS_KEY_FILE={key}: must contain a private key in PEM"


def key_of_another_certificate(files: Files) -> str:
    (files.folder / "server.key.pem").write_bytes(files.authority.issue().key)
    return "TLS_KEY_FILE={key}: is not the key of the first certificate in TLS_CERT_FILE"


def expired(files: Files) -> str:
    files.write(files.authority.issue(not_after=datetime.now(UTC) - timedelta(minutes=1)))
    return "TLS_CERT_FILE={certificate}: is not valid now, only from "


def not_yet_valid(files: Files) -> str:
    files.write(files.authority.issue(not_before=datetime.now(UTC) + timedelta(hours=1)))
    return "TLS_CERT_FILE={certificate}: is not valid now, only from "


def authorities_empty(files: Files) -> str:
    (files.folder / "clients.pem").write_bytes(b"")
    return "TLS_CLIENT_CA_FILE={clients}: must contain certificates in PEM"


def authorities_expired(files: Files) -> str:
    files.write_authorities(Authority(expired=True))
    return "TLS_CLIENT_CA_FILE={clients}: contains no certificate that is valid now"


@pytest.mark.parametrize(
    "break_files",
    [
        *(key_missing, certificate_not_pem, key_not_pem, key_of_another_certificate, expired, not_yet_valid),
        *(authorities_empty, authorities_expired),
    ],
)
def test_the_service_refuses_to_start_with_invalid_files_and_names_the_setting(
    tls_files: Files, migrated_database: dict[str, str], break_files: Callable[[Files], str]
) -> None:
    settings = {**tls_files.write(), **tls_files.write_authorities()}
    message = break_files(tls_files).format(
        certificate=repr(settings["TLS_CERT_FILE"]),
        key=repr(settings["TLS_KEY_FILE"]),
        clients=repr(settings["TLS_CLIENT_CA_FILE"]),
    )
    service = RunningService({**migrated_database, **settings})
    service.spawn()
    assert service.wait() == 1
    output = "".join(service.output)
    assert message in output
    assert "Traceback" not in output
    assert "c2VjcmV0" not in output


def test_the_health_probe_of_the_image_works_with_tls(mutual_tls_service: TlsService) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "TLS_CERT_FILE": str(mutual_tls_service.files.folder / "server.pem"),
        "GRPC_PORT": str(mutual_tls_service.service.port),
        "REST_PORT": str(mutual_tls_service.service.rest_port),
    }
    probe = [str(Path(".venv/bin/python").absolute()), "-m", "tools.operations.health_probe"]
    for arguments in ([], ["--service", "payments.v1.PaymentService"], ["--service", "liveness"]):
        result = subprocess.run(
            [*probe, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=30
        )
        assert (result.returncode, result.stdout.rstrip().endswith("is SERVING")) == (0, True), (
            result.stdout + result.stderr
        )
    mutual_tls_service.service.kill()
    result = subprocess.run(probe, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


def test_grpc_health_requires_a_certificate_but_no_key(mutual_tls_service: TlsService) -> None:
    with mutual_tls_service.channel(mutual_tls_service.files.clients.issue()) as channel:
        assert health_stub(channel).Check(HealthCheckRequest(), timeout=10).status == 1
