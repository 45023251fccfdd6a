"""WatchPayments over real connections: both gRPC engines, and JSON lines and server-sent events over REST."""

import functools
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from server.config.grpc import Engine
from server.domain import tokens
from server.domain.callers import Role
from tests.support import waiting
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed
from tests.support.drivers.http2_peer import INITIAL_WINDOW_SIZE, Http2Peer
from tests.support.drivers.requests import charge, refund
from tests.support.keys import bearer, key_maker
from tests.support.metrics import metric
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.dev.number_table import number_table

StartService = Callable[..., RunningService]
Watch = Iterator[pb.WatchPaymentsResponse]

STEP_TIMEOUT_SECONDS = 300
"""The timeout of a step that takes milliseconds on an idle machine."""

wait_until = functools.partial(waiting.wait_until, within_seconds=STEP_TIMEOUT_SECONDS)


@pytest.fixture(params=list(Engine))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(start_service: StartService, engine: str) -> StartService:
    """A function that starts servers of one engine."""
    return lambda **settings: start_service(GRPC_ENGINE=engine, **settings)


@pytest.fixture
def sql(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Callable[..., list[Any]]:
    return lambda text, *values: database_server.execute(text, values, migrated_database["MYSQL_DB"])


@contextmanager
def open_driver(running: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(running.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield GrpcDriver(channel)


def watch(api: GrpcDriver, token: str = "", key: Any = None, filter_: pb.PaymentEventFilter | None = None) -> Any:  # noqa: ANN401 - generic in its type stubs only
    metadata = () if key is None else bearer(key)
    request = pb.WatchPaymentsRequest(resume_token=token, filter=filter_)
    return PaymentServiceStub(api.channel).WatchPayments(request, timeout=STEP_TIMEOUT_SECONDS, metadata=metadata)


def next_events(stream: Watch, count: int) -> list[pb.WatchPaymentsResponse]:
    """Return the next ``count`` events, and skip heartbeats."""
    found: list[pb.WatchPaymentsResponse] = []
    while len(found) < count:
        response = next(stream)
        found += [response] if response.HasField("event") else []
    return found


def read_to_error(stream: Watch) -> CallFailed:
    """Read the stream until it fails, and return its error."""
    with pytest.raises(grpc.RpcError) as failed:
        for _ in stream:
            pass
    return call_failed(failed.value)  # type: ignore[arg-type]


def kinds_and_ids(responses: list[pb.WatchPaymentsResponse]) -> list[tuple[str, int]]:
    return [
        (
            pb.PaymentEventType.Name(response.event.type).removeprefix("PAYMENT_EVENT_TYPE_"),
            response.event.payment.payment_id,
        )
        for response in responses
    ]


# Events


def test_a_stream_continues_after_its_resume_token(start: StartService) -> None:
    with open_driver(start()) as api:
        stream = watch(api)
        first = next(stream)
        assert not first.HasField("event")
        one = api.charge(charge()).payment.payment_id
        declined = api.charge(charge(method=pb.PAYMENT_METHOD_CARD)).payment.payment_id
        api.refund(refund(one))
        seen = next_events(stream, 3)
        assert kinds_and_ids(seen) == [("CHARGED", one), ("FAILED", declined), ("REFUNDED", one)]
        for number, response in enumerate([first, *seen]):
            assert next_events(watch(api, response.resume_token), 3 - number) == seen[number:]


def test_a_stream_without_a_token_has_no_event_of_an_earlier_charge(start: StartService) -> None:
    with open_driver(start(EVENT_RELAY_INTERVAL_SECONDS="1")) as api:
        for _ in range(2):
            api.charge(charge())
            stream = watch(api)
            token = next(stream).resume_token
            later = api.charge(charge()).payment.payment_id
            for later_stream in (stream, watch(api, token)):
                assert next_events(later_stream, 1)[0].event.payment.payment_id == later
                later_stream.cancel()


@pytest.mark.parametrize(
    "event_filter",
    [
        {"order_id": 7},
        {"external_reference": " ORD 7 "},
        {"customer_id": "customer 7"},
        {"caller": "anonymous", "order_id": 7, "types": ["PAYMENT_EVENT_TYPE_CHARGED", "PAYMENT_EVENT_TYPE_REFUNDED"]},
    ],
)
def test_a_filtered_stream_has_only_the_matching_events_and_resumes(
    start: StartService, event_filter: dict[str, Any]
) -> None:
    wanted = pb.PaymentEventFilter(**event_filter)
    with open_driver(start()) as api:
        token = next(watch(api)).resume_token
        api.charge(charge(8))
        mine = api.charge(charge(7, external_reference=" ORD 7 ", customer_id="customer 7")).payment.payment_id
        api.charge(charge(9, external_reference="ORD 7", customer_id="customer"))
        api.refund(refund(mine))
        seen = next_events(watch(api, token, filter_=wanted), 2)
        assert kinds_and_ids(seen) == [("CHARGED", mine), ("REFUNDED", mine)]
        assert kinds_and_ids(next_events(watch(api, seen[0].resume_token, filter_=wanted), 1)) == [("REFUNDED", mine)]


def test_a_stream_of_some_types_has_no_other_events(start: StartService) -> None:
    with open_driver(start()) as api:
        token = next(watch(api)).resume_token
        api.charge(charge())
        declined = api.charge(charge(payment_source="sim_declined")).payment.payment_id
        only_failed = pb.PaymentEventFilter(types=[pb.PAYMENT_EVENT_TYPE_FAILED])
        assert kinds_and_ids(next_events(watch(api, token, filter_=only_failed), 1)) == [("FAILED", declined)]


def test_the_heartbeat_of_a_filtered_stream_passes_the_events_that_do_not_match(start: StartService) -> None:
    with open_driver(start(EVENT_HEARTBEAT_INTERVAL_SECONDS="0.2")) as api:
        stream = watch(api, filter_=pb.PaymentEventFilter(order_id=7))
        token = next(stream).resume_token
        api.charge(charge(8))
        later = next(response for response in stream if response.resume_token != token)
        assert not later.HasField("event")
        resumed = watch(api, later.resume_token)
        assert not next(resumed).HasField("event")


@pytest.mark.parametrize(
    ("event_filter", "field"),
    [
        ({"caller": ""}, "caller"),
        ({"external_reference": ""}, "external_reference"),
        ({"external_reference": "x" * 101}, "external_reference"),
        ({"customer_id": "a\0"}, "customer_id"),
        ({"types": [99]}, "types"),
        ({"types": [0]}, "types"),
        ({"types": [2] * 21}, "types"),
    ],
)
def test_an_invalid_filter_is_rejected(start: StartService, event_filter: dict[str, Any], field: str) -> None:
    with open_driver(start()) as api:
        failed = read_to_error(watch(api, filter_=pb.PaymentEventFilter(**event_filter)))
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [f"filter.{field}"])


def test_two_replicas_send_the_same_events(start: StartService) -> None:
    with open_driver(start()) as one, open_driver(start()) as two:
        streams = [watch(one), watch(two)]
        for stream in streams:
            next(stream)
        ids = [api.charge(charge()).payment.payment_id for api in (one, two, one, two)]
        seen = [next_events(stream, 4) for stream in streams]
        assert seen[0] == seen[1]
        assert sorted(response.event.payment.payment_id for response in seen[0]) == sorted(ids)


def test_an_idle_stream_sends_heartbeats_without_events(start: StartService) -> None:
    with open_driver(start(EVENT_HEARTBEAT_INTERVAL_SECONDS="0.2")) as api:
        stream = watch(api)
        responses = [next(stream) for _ in range(4)]
        assert not any(response.HasField("event") for response in responses)
        assert len({response.resume_token for response in responses}) == 1


def test_a_consumer_that_is_far_behind_gets_every_event_in_order(
    start: StartService, sql: Callable[..., list[Any]]
) -> None:
    running = start()
    fill(sql, 5_000)
    with open_driver(running) as api:
        begin = tokens.encode_resume_token(0)
        seen = next_events(watch(api, begin), 5_000)
        assert [response.event.payment.payment_id for response in seen] == list(range(1, 5_001))
        payment_id = api.charge(charge()).payment.payment_id
        assert kinds_and_ids(next_events(watch(api, seen[-1].resume_token), 1)) == [("CHARGED", payment_id)]


def fill(sql: Callable[..., list[Any]], count: int) -> None:
    """Store payments 1 to ``count``, each with its event, as if they had been charged."""
    sql(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, caller, request_id)"
        " SELECT k, k, 5, 'UPI', 1, CONCAT('R', k), '2026-01-01', 'filler', k"
        f" FROM {number_table(count)}"
    )
    sql(
        "INSERT INTO payment_events (sequence, payment_id, kind, refunded_amount, occurred_at)"
        f" SELECT k, k, 'CHARGED', 0, '2026-01-01' FROM {number_table(count)}"
    )
    sql("UPDATE payment_stream SET last_sequence = %s", count)


# Rejected watches


@pytest.mark.parametrize("token", ["nonsense", "AAAA", tokens.encode_resume_token(7)[:-1] + "A", "é"])
def test_an_invalid_resume_token_is_an_invalid_argument(start_service: StartService, token: str) -> None:
    with open_driver(start_service()) as api:
        failed = read_to_error(watch(api, token))
    assert (failed.code, failed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert failed.fields == ["resume_token"]


def test_a_resume_token_whose_events_were_deleted_has_expired(
    start_service: StartService, sql: Callable[..., list[Any]]
) -> None:
    fill(sql, 10)
    sql("DELETE FROM payment_events WHERE sequence <= 5")
    with open_driver(start_service()) as api:
        failed = read_to_error(watch(api, tokens.encode_resume_token(4)))
        assert (failed.code, failed.reason) == ("FAILED_PRECONDITION", "RESUME_TOKEN_EXPIRED")
        assert [
            response.event.payment.payment_id for response in next_events(watch(api, tokens.encode_resume_token(5)), 5)
        ] == [
            6,
            7,
            8,
            9,
            10,
        ]
        # A token from before the database was restored to an earlier state.
        failed = read_to_error(watch(api, tokens.encode_resume_token(11)))
        assert (failed.code, failed.reason) == ("FAILED_PRECONDITION", "RESUME_TOKEN_EXPIRED")


def test_a_stream_that_reaches_archived_events_fails_and_does_not_skip_them(
    start_service: StartService, sql: Callable[..., list[Any]]
) -> None:
    fill(sql, 10)
    # Delete a payment as the archive does. It selects payments by age, so they need not be the first in the stream.
    sql("DELETE FROM payment_events WHERE payment_id = 5")
    sql("DELETE FROM payments WHERE payment_id = 5")
    with open_driver(start_service()) as api:
        stream = watch(api, tokens.encode_resume_token(0))
        assert [response.event.payment.payment_id for response in next_events(stream, 4)] == [1, 2, 3, 4]
        failed = read_to_error(stream)
        assert (failed.code, failed.reason) == ("FAILED_PRECONDITION", "RESUME_TOKEN_EXPIRED")
        assert [
            response.event.payment.payment_id for response in next_events(watch(api, tokens.encode_resume_token(5)), 5)
        ] == [
            6,
            7,
            8,
            9,
            10,
        ]


def test_event_streams_have_their_own_limit(start: StartService) -> None:
    running = start(MAX_WATCHES="2", MAX_WATCHES_PER_CALLER="2", MAX_CONCURRENT_CALLS="1")
    with open_driver(running) as api, open_driver(running) as other:
        streams = [watch(api), watch(other)]
        for stream in streams:
            next(stream)
        failed = read_to_error(watch(api))
        assert (failed.code, failed.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
        assert failed.retry_after_seconds
        assert httpx.get(f"{running.rest_url}/v2/payments:watch").status_code == 429
        assert api.charge(charge()).payment.payment_id, "streams do not count as calls in flight"
        assert metric(running, "payments_watches") == 2
        streams[0].cancel()
        wait_until(lambda: metric(running, "payments_watches") == 1)
        next(watch(api))


def test_a_caller_cannot_use_up_the_streams_of_others(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    make_key = key_maker(database_server, migrated_database["MYSQL_DB"])
    greedy, other = (make_key(name, Role.READ) for name in ("greedy", "other"))
    running = start(MAX_WATCHES="8")
    with open_driver(running) as api, open_driver(running) as elsewhere:
        streams = [watch(each, key=greedy) for each in (api, elsewhere)]
        for stream in streams:
            next(stream)
        failed = read_to_error(watch(api, key=greedy))
        assert (failed.code, failed.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
        assert "this caller has 2 open streams" in failed.message
        assert failed.retry_after_seconds
        response = httpx.get(f"{running.rest_url}/v2/payments:watch", headers=dict(bearer(greedy)))
        assert response.status_code == 429
        # Another caller, and an anonymous caller, which is limited by its address.
        streams += [watch(api, key=key) for key in (other, None)]
        for stream in streams[2:]:
            next(stream)
        streams[0].cancel()
        wait_until(lambda: metric(running, "payments_watches") == 3)
        next(watch(api, key=greedy))


# The end of a stream


def test_a_replica_that_shuts_down_ends_its_streams_with_a_reason(start: StartService) -> None:
    running = start()
    with open_driver(running) as api:
        stream = watch(api)
        next(stream)
        running.send(signal.SIGTERM)
        failed = read_to_error(stream)
    assert (failed.code, failed.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
    assert running.wait() == 0


KEY_CHANGES = {
    "revoked": "revoked_at = UTC_TIMESTAMP(6)",
    "expires": "expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 SECOND",
}


@pytest.mark.parametrize("change", KEY_CHANGES)
def test_a_stream_ends_when_the_api_key_of_its_caller_is_revoked_or_expires(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str], change: str
) -> None:
    name = migrated_database["MYSQL_DB"]
    key = key_maker(database_server, name)("reader", Role.READ)
    with open_driver(start(ANONYMOUS_ROLES="-", API_KEY_REFRESH_INTERVAL_SECONDS="0.1")) as api:
        stream = watch(api, key=key)
        next(stream)
        database_server.execute(f"UPDATE api_keys SET {KEY_CHANGES[change]}", database=name)
        failed = read_to_error(stream)  # long before the next heartbeat
    assert (failed.code, failed.reason) == ("UNAUTHENTICATED", "API_KEY_INVALID")


def test_watching_requires_the_read_role(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    key = key_maker(database_server, migrated_database["MYSQL_DB"])("shop", Role.CHARGE, Role.REFUND)
    with open_driver(start(ANONYMOUS_ROLES="-")) as api:
        assert read_to_error(watch(api, key=key)).reason == "ROLE_MISSING"


def test_a_stream_survives_the_loss_of_database_connections(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    with open_driver(start()) as api:
        stream = watch(api)
        next(stream)
        one = api.charge(charge()).payment.payment_id
        assert kinds_and_ids(next_events(stream, 1)) == [("CHARGED", one)]
        database_server.kill_connections(migrated_database["MYSQL_DB"])
        other = api.charge(charge()).payment.payment_id
        assert kinds_and_ids(next_events(stream, 1)) == [("CHARGED", other)]


# Slow readers


ROWS = 60_000
"""The number of stored events: at about 400 bytes each, many times more than the server may buffer for a client."""

MAX_GROWTH_BYTES = 16 << 20


def resident_bytes(running: RunningService) -> float:
    return metric(running, "process_resident_memory_bytes")


def growth_bytes(running: RunningService, before: float) -> float:
    """Wait until the process stops growing, and return its growth."""
    last = 0.0
    while (now := resident_bytes(running)) > last + (1 << 19):
        last = now
        time.sleep(1.5)
    return now - before


def test_a_client_that_never_reads_costs_little_memory_and_blocks_nobody(
    start: StartService, sql: Callable[..., list[Any]]
) -> None:
    running = start()
    fill(sql, ROWS)
    request = pb.WatchPaymentsRequest(resume_token=tokens.encode_resume_token(0)).SerializeToString()
    with open_driver(running) as api:
        next_events(watch(api, tokens.encode_resume_token(ROWS - 3_000)), 3_000)  # warm up
        before = resident_bytes(running)
        # One client never enlarges its window. The other has the largest window and never reads.
        with Http2Peer(running.port) as closed, Http2Peer(running.port, {INITIAL_WINDOW_SIZE: 2**31 - 1}) as wide:
            for peer in (closed, wide):
                peer.request("/payments.v1.PaymentService/WatchPayments", request, stream=1)
            wait_until(lambda: metric(running, "payments_watches") == 2)
            assert growth_bytes(running, before) < MAX_GROWTH_BYTES
            stream = watch(api)
            next(stream)
            payment_id = api.charge(charge()).payment.payment_id
            assert kinds_and_ids(next_events(stream, 1)) == [("CHARGED", payment_id)]
            running.send(signal.SIGTERM)
            assert read_to_error(stream).reason == "SHUTTING_DOWN"
            assert running.wait() == 0


def test_a_client_that_stops_reading_for_too_long_loses_its_stream_and_can_resume(
    start: StartService, sql: Callable[..., list[Any]]
) -> None:
    running = start(GRPC_WRITE_TIMEOUT_SECONDS="1", MAX_WATCHES="1")
    fill(sql, ROWS)
    request = pb.WatchPaymentsRequest(resume_token=tokens.encode_resume_token(0)).SerializeToString()
    with Http2Peer(running.port) as closed:
        closed.request("/payments.v1.PaymentService/WatchPayments", request, stream=1)
        ended = running.wait_for("call", rpc="WatchPayments")
        assert ended["code"] == "UNAVAILABLE"
        wait_until(lambda: metric(running, "payments_watches") == 0)
        with open_driver(running) as api:
            stream = watch(api, tokens.encode_resume_token(0))
            next(stream)
            wait_until(lambda: metric(running, "payments_watches") == 0)
            failed = read_to_error(stream)
            assert (failed.code, failed.reason) == ("UNAVAILABLE", "READER_TOO_SLOW")
            assert failed.retry_after_seconds
            # A client that reads keeps its stream.
            assert len(next_events(watch(api, tokens.encode_resume_token(ROWS - 3_000)), 3_000)) == 3_000


def test_a_rest_client_that_never_reads_costs_little_memory_and_is_disconnected(
    start: StartService, sql: Callable[..., list[Any]]
) -> None:
    running = start(REST_BODY_TIMEOUT_SECONDS="3", CALL_TIMEOUT_SECONDS="3", EVENT_HEARTBEAT_INTERVAL_SECONDS="3")
    fill(sql, ROWS)
    token = tokens.encode_resume_token(0)
    with httpx.stream(
        "GET", f"{running.rest_url}/v2/payments:watch?resumeToken={tokens.encode_resume_token(ROWS - 3000)}"
    ) as response:
        lines = response.iter_lines()
        for _ in range(3_000):
            next(lines)
    wait_until(lambda: metric(running, "payments_watches") == 0)
    before = resident_bytes(running)
    with socket.create_connection(("127.0.0.1", running.rest_port)) as client:
        client.sendall(f"GET /v2/payments:watch?resumeToken={token} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        wait_until(lambda: metric(running, "payments_watches") == 1)
        assert growth_bytes(running, before) < MAX_GROWTH_BYTES
        wait_until(lambda: metric(running, "payments_watches") == 0)


# Over REST


def lines_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in response.iter_lines())


def test_rest_streams_json_lines(start_service: StartService) -> None:
    running = start_service()
    url = f"{running.rest_url}/v2/payments:watch"
    # Compression would delay lines.
    with (
        open_driver(running) as api,
        httpx.stream("GET", url, headers={"accept-encoding": "gzip"}, timeout=STEP_TIMEOUT_SECONDS) as response,
    ):
        assert response.headers["content-type"] == "application/x-ndjson"
        lines = lines_of(response)
        first = next(lines)["result"]
        assert first.keys() == {"resumeToken"}
        payment = api.charge(charge()).payment
        event = next(lines)["result"]
        assert event["event"]["type"] == "PAYMENT_EVENT_TYPE_CHARGED"
        assert event["event"]["payment"]["paymentId"] == str(payment.payment_id)
        assert event["event"]["caller"] == "anonymous"
        with httpx.stream(
            "GET", url, params={"resumeToken": first["resumeToken"]}, timeout=STEP_TIMEOUT_SECONDS
        ) as again:
            repeated = lines_of(again)
            next(repeated)
            assert next(repeated)["result"] == event
        running.send(signal.SIGTERM)
        *_, last = lines
    assert last["error"]["details"][0]["reason"] == "SHUTTING_DOWN"
    assert running.wait() == 0


def events_of(response: httpx.Response) -> Iterator[dict[str, str]]:
    """Parse server-sent events."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            yield event
            event = {}
        else:
            name, _, value = line.partition(": ")
            event[name] = value


def test_rest_streams_server_sent_events_that_resume_from_the_last_event_id(start_service: StartService) -> None:
    running = start_service()
    url = f"{running.rest_url}/v2/payments:watch"
    accept = {"accept": "text/event-stream"}
    with open_driver(running) as api:
        with httpx.stream("GET", url, headers=accept, timeout=STEP_TIMEOUT_SECONDS) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            events = events_of(response)
            first = next(events)
            ids = [api.charge(charge()).payment.payment_id for _ in range(2)]
            seen = [next(events) for _ in range(2)]
        assert [json.loads(event["data"])["event"]["payment"]["paymentId"] for event in seen] == list(map(str, ids))
        assert [json.loads(event["data"])["resumeToken"] for event in seen] == [event["id"] for event in seen]
        for begin, rest in ((first, seen), (seen[0], seen[1:])):
            # A browser reconnects with the original address, and with the newer position in a header.
            headers = {**accept, "last-event-id": begin["id"]}
            params = {"resumeToken": first["id"]}
            with httpx.stream("GET", url, headers=headers, params=params, timeout=STEP_TIMEOUT_SECONDS) as response:
                events = events_of(response)
                next(events)
                assert [next(events) for _ in rest] == rest


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_rest_rejects_an_invalid_token_before_the_stream_starts(service: RunningService, accept: str) -> None:
    url = f"{service.rest_url}/v2/payments:watch"
    response = httpx.get(url, params={"resumeToken": "nonsense"}, headers={"accept": accept})
    assert response.status_code == 400
    assert response.json()["details"][1]["fieldViolations"][0]["field"] == "resume_token"


def test_a_rest_client_that_disconnects_ends_its_stream(start_service: StartService) -> None:
    running = start_service()
    with ExitStack() as stack:
        streams = [
            stack.enter_context(httpx.stream("GET", f"{running.rest_url}/v2/payments:watch")).iter_lines()
            for _ in range(3)
        ]
        for stream in streams:
            next(stream)
        assert metric(running, "payments_watches") == 3
    wait_until(lambda: metric(running, "payments_watches") == 0)


# Command-line tools


def test_grpcurl_and_curl_can_watch(start: StartService) -> None:
    running = start()
    commands = (
        [str(ROOT / ".bin" / "grpcurl"), "-plaintext", running.target, "payments.v1.PaymentService/WatchPayments"],
        ["curl", "--silent", "--no-buffer", f"{running.rest_url}/v2/payments:watch"],
    )
    for command in commands:
        with (
            open_driver(running) as api,
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}) as process,
        ):
            assert process.stdout is not None
            timer = threading.Timer(STEP_TIMEOUT_SECONDS, process.kill)
            timer.start()
            wait_until(lambda: metric(running, "payments_watches") == 1)
            reference = api.charge(charge()).payment.reference
            try:
                assert any(reference in line for line in process.stdout)
            finally:
                timer.cancel()
                process.kill()
        wait_until(lambda: metric(running, "payments_watches") == 0)
