"""WatchPayments over real connections: both engines of gRPC, lines of JSON and server-sent events over REST."""

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
from payments.v1 import payments_pb2 as pb
from payments.v1.payments_pb2_grpc import PaymentServiceStub

from server.config.grpc import Engine
from server.domain import tokens
from server.domain.callers import Role
from tests.support import waiting
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed
from tests.support.drivers.http2_peer import INITIAL_WINDOW_SIZE, Http2Peer
from tests.support.drivers.requests import charge, refund
from tests.support.keys import bearer, key_maker
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]
Watch = Iterator[pb.WatchPaymentsResponse]

PATIENCE_SECONDS = 300
"""How long what should come at once may take on a busy machine."""

wait_until = functools.partial(waiting.wait_until, within_seconds=PATIENCE_SECONDS)


@pytest.fixture(params=list(Engine))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(start_service: StartService, engine: str) -> StartService:
    """Start servers of an engine."""
    return lambda **settings: start_service(GRPC_ENGINE=engine, **settings)


@pytest.fixture
def sql(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Callable[..., list[Any]]:
    return lambda text, *values: database_server.execute(text, values, migrated_database["MYSQL_DB"])


@contextmanager
def connected(running: RunningService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(running.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield GrpcDriver(channel)


def watch(api: GrpcDriver, token: str = "", key: Any = None) -> Any:  # noqa: ANN401 - generic in its type stubs only
    metadata = () if key is None else bearer(key)
    request = pb.WatchPaymentsRequest(resume_token=token)
    return PaymentServiceStub(api.channel).WatchPayments(request, timeout=PATIENCE_SECONDS, metadata=metadata)


def following(stream: Watch, count: int) -> list[pb.WatchPaymentsResponse]:
    """Return the next events."""
    found: list[pb.WatchPaymentsResponse] = []
    while len(found) < count:
        response = next(stream)
        found += [response] if response.HasField("event") else []
    return found


def ending(stream: Watch) -> CallFailed:
    """Return how a stream ends, once it does."""
    with pytest.raises(grpc.RpcError) as failed:
        for _ in stream:
            pass
    return call_failed(failed.value)  # type: ignore[arg-type]


def kinds(responses: list[pb.WatchPaymentsResponse]) -> list[tuple[str, int]]:
    return [
        (pb.PaymentEventType.Name(it.event.type).removeprefix("PAYMENT_EVENT_TYPE_"), it.event.payment.payment_id)
        for it in responses
    ]


def metric(running: RunningService, name: str) -> float:
    for line in httpx.get(f"{running.rest_url}/metrics").text.splitlines():
        if line.split(" ")[0] == name:
            return float(line.split(" ")[1])
    raise AssertionError(f"no {name}")


# What is told


def test_each_token_goes_on_with_what_follows_it(start: StartService) -> None:
    with connected(start()) as api:
        stream = watch(api)
        first = next(stream)
        assert not first.HasField("event")
        one = api.charge(charge()).payment.payment_id
        declined = api.charge(charge(method=pb.PAYMENT_METHOD_CARD)).payment.payment_id
        api.refund(refund(one))
        seen = following(stream, 3)
        assert kinds(seen) == [("CHARGED", one), ("FAILED", declined), ("REFUNDED", one)]
        for number, response in enumerate([first, *seen]):
            assert following(watch(api, response.resume_token), 3 - number) == seen[number:]


def test_from_now_on_is_from_the_first_response(start: StartService) -> None:
    with connected(start()) as api:
        api.charge(charge())
        time.sleep(0.5)
        token = next(watch(api)).resume_token
        later = api.charge(charge()).payment.payment_id
        assert following(watch(api, token), 1)[-1].event.payment.payment_id == later


def test_two_replicas_tell_the_same(start: StartService) -> None:
    with connected(start()) as one, connected(start()) as two:
        streams = [watch(one), watch(two)]
        for stream in streams:
            next(stream)
        ids = [api.charge(charge()).payment.payment_id for api in (one, two, one, two)]
        seen = [following(stream, 4) for stream in streams]
        assert seen[0] == seen[1]
        assert sorted(it.event.payment.payment_id for it in seen[0]) == sorted(ids)


def test_when_nothing_happens_a_response_without_an_event_comes_now_and_then(start: StartService) -> None:
    with connected(start(EVENT_HEARTBEAT_INTERVAL_SECONDS="0.2")) as api:
        stream = watch(api)
        responses = [next(stream) for _ in range(4)]
        assert not any(it.HasField("event") for it in responses)
        assert len({it.resume_token for it in responses}) == 1


def test_one_who_is_far_behind_sees_everything_in_order(start: StartService, sql: Callable[..., list[Any]]) -> None:
    running = start()
    fill(sql, 5_000)
    with connected(running) as api:
        begin = tokens.encode_resume_token(0)
        seen = following(watch(api, begin), 5_000)
        assert [it.event.payment.payment_id for it in seen] == list(range(1, 5_001))
        payment_id = api.charge(charge()).payment.payment_id
        assert kinds(following(watch(api, seen[-1].resume_token), 1)) == [("CHARGED", payment_id)]


def fill(sql: Callable[..., list[Any]], count: int) -> None:
    """Store payments 1 to ``count``, each with its event, as if they had been charged."""
    sql(
        "INSERT INTO payments (payment_id, order_id, amount, method, status, reference, created_at, caller, request_id)"
        " SELECT seq, seq, 5, 'UPI', 1, CONCAT('R', seq), '2026-01-01', 'filler', seq"
        f" FROM seq_1_to_{count}"
    )
    sql(
        "INSERT INTO payment_events (sequence, payment_id, kind, refunded_amount, occurred_at)"
        f" SELECT seq, seq, 'CHARGED', 0, '2026-01-01' FROM seq_1_to_{count}"
    )
    sql("UPDATE payment_stream SET last_sequence = %s", count)


# What cannot be told


@pytest.mark.parametrize("token", ["nonsense", "AAAA", tokens.encode_resume_token(7)[:-1] + "A", "é"])
def test_a_token_that_is_none_is_an_invalid_argument(start_service: StartService, token: str) -> None:
    with connected(start_service()) as api:
        failed = ending(watch(api, token))
    assert (failed.code, failed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert failed.fields == ["resume_token"]


def test_a_token_of_what_is_no_longer_kept_has_expired(
    start_service: StartService, sql: Callable[..., list[Any]]
) -> None:
    fill(sql, 10)
    sql("DELETE FROM payment_events WHERE sequence <= 5")
    with connected(start_service()) as api:
        failed = ending(watch(api, tokens.encode_resume_token(4)))
        assert (failed.code, failed.reason) == ("FAILED_PRECONDITION", "RESUME_TOKEN_EXPIRED")
        assert [it.event.payment.payment_id for it in following(watch(api, tokens.encode_resume_token(5)), 5)] == [
            6,
            7,
            8,
            9,
            10,
        ]
        # Of a database that was restored to how it was before.
        failed = ending(watch(api, tokens.encode_resume_token(11)))
        assert (failed.code, failed.reason) == ("FAILED_PRECONDITION", "RESUME_TOKEN_EXPIRED")


def test_one_who_comes_to_what_was_archived_is_told_so_and_not_led_past_it(
    start_service: StartService, sql: Callable[..., list[Any]]
) -> None:
    fill(sql, 10)
    # As the archive does: it takes payments by their age, which need not be those that come first in the stream.
    sql("DELETE FROM payment_events WHERE payment_id = 5")
    sql("DELETE FROM payments WHERE payment_id = 5")
    with connected(start_service()) as api:
        stream = watch(api, tokens.encode_resume_token(0))
        assert [it.event.payment.payment_id for it in following(stream, 4)] == [1, 2, 3, 4]
        failed = ending(stream)
        assert (failed.code, failed.reason) == ("FAILED_PRECONDITION", "RESUME_TOKEN_EXPIRED")
        assert [it.event.payment.payment_id for it in following(watch(api, tokens.encode_resume_token(5)), 5)] == [
            6,
            7,
            8,
            9,
            10,
        ]


def test_streams_have_a_limit_of_their_own(start: StartService) -> None:
    running = start(MAX_WATCHES="2", MAX_WATCHES_PER_CALLER="2", MAX_CONCURRENT_CALLS="1")
    with connected(running) as api, connected(running) as other:
        streams = [watch(api), watch(other)]
        for stream in streams:
            next(stream)
        failed = ending(watch(api))
        assert (failed.code, failed.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
        assert failed.retry_after_seconds
        assert httpx.get(f"{running.rest_url}/v2/payments:watch").status_code == 429
        assert api.charge(charge()).payment.payment_id, "streams are none of the calls in progress"
        assert metric(running, "payments_watches") == 2
        streams[0].cancel()
        wait_until(lambda: metric(running, "payments_watches") == 1)
        next(watch(api))


def test_one_caller_has_a_share_of_the_streams_and_leaves_the_others_theirs(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    make_key = key_maker(database_server, migrated_database["MYSQL_DB"])
    greedy, other = (make_key(name, Role.READ) for name in ("greedy", "other"))
    running = start(MAX_WATCHES="8")
    with connected(running) as api, connected(running) as elsewhere:
        streams = [watch(it, key=greedy) for it in (api, elsewhere)]
        for stream in streams:
            next(stream)
        failed = ending(watch(api, key=greedy))
        assert (failed.code, failed.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
        assert "2 streams of this caller" in failed.message
        assert failed.retry_after_seconds
        answer = httpx.get(f"{running.rest_url}/v2/payments:watch", headers=dict(bearer(greedy)))
        assert answer.status_code == 429
        # Another caller, and those without a name, who go by their address.
        streams += [watch(api, key=key) for key in (other, None)]
        for stream in streams[2:]:
            next(stream)
        streams[0].cancel()
        wait_until(lambda: metric(running, "payments_watches") == 3)
        next(watch(api, key=greedy))


# What ends a stream


def test_a_replica_that_stops_ends_its_streams_and_says_why(start: StartService) -> None:
    running = start()
    with connected(running) as api:
        stream = watch(api)
        next(stream)
        running.send(signal.SIGTERM)
        failed = ending(stream)
    assert (failed.code, failed.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
    assert running.wait() == 0


ENDS = {"revoked": "revoked_at = UTC_TIMESTAMP(6)", "expires": "expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 SECOND"}


@pytest.mark.parametrize("how", ENDS)
def test_a_stream_ends_with_the_key_of_its_caller(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str], how: str
) -> None:
    name = migrated_database["MYSQL_DB"]
    key = key_maker(database_server, name)("reader", Role.READ)
    with connected(start(ANONYMOUS_ROLES="-", API_KEY_REFRESH_INTERVAL_SECONDS="0.1")) as api:
        stream = watch(api, key=key)
        next(stream)
        database_server.execute(f"UPDATE api_keys SET {ENDS[how]}", database=name)
        failed = ending(stream)  # long before the next response without an event
    assert (failed.code, failed.reason) == ("UNAUTHENTICATED", "API_KEY_INVALID")


def test_a_caller_who_may_not_read_may_not_watch(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    key = key_maker(database_server, migrated_database["MYSQL_DB"])("shop", Role.CHARGE, Role.REFUND)
    with connected(start(ANONYMOUS_ROLES="-")) as api:
        assert ending(watch(api, key=key)).reason == "ROLE_MISSING"


def test_a_stream_goes_on_when_the_database_loses_its_connections(
    start: StartService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    with connected(start()) as api:
        stream = watch(api)
        next(stream)
        one = api.charge(charge()).payment.payment_id
        assert kinds(following(stream, 1)) == [("CHARGED", one)]
        database_server.end_connections(migrated_database["MYSQL_DB"])
        other = api.charge(charge()).payment.payment_id
        assert kinds(following(stream, 1)) == [("CHARGED", other)]


# Who reads slowly, or not at all


ROWS = 60_000
"""Of some 400 bytes each, as messages: many times what may be on the way to one client."""

MOST_GROWTH_BYTES = 16 << 20


def resident_bytes(running: RunningService) -> float:
    return metric(running, "process_resident_memory_bytes")


def settled_growth(running: RunningService, before: float) -> float:
    """Return how much larger the process is once it grows no more."""
    last = 0.0
    while (now := resident_bytes(running)) > last + (1 << 19):
        last = now
        time.sleep(1.5)
    return now - before


def test_a_client_that_reads_nothing_costs_little_memory_and_stops_nobody(
    start: StartService, sql: Callable[..., list[Any]]
) -> None:
    running = start()
    fill(sql, ROWS)
    request = pb.WatchPaymentsRequest(resume_token=tokens.encode_resume_token(0)).SerializeToString()
    with connected(running) as api:
        following(
            watch(api, tokens.encode_resume_token(ROWS - 3_000)), 3_000
        )  # so that all is loaded that reading needs
        before = resident_bytes(running)
        # One that opens no window beyond the first, and one whose window is as large as can be and who does not read.
        with Http2Peer(running.port) as closed, Http2Peer(running.port, {INITIAL_WINDOW_SIZE: 2**31 - 1}) as wide:
            for peer in (closed, wide):
                peer.request("/payments.v1.PaymentService/WatchPayments", request, stream=1)
            wait_until(lambda: metric(running, "payments_watches") == 2)
            assert settled_growth(running, before) < MOST_GROWTH_BYTES
            stream = watch(api)
            next(stream)
            payment_id = api.charge(charge()).payment.payment_id
            assert kinds(following(stream, 1)) == [("CHARGED", payment_id)]
            running.send(signal.SIGTERM)
            assert ending(stream).reason == "SHUTTING_DOWN"
            assert running.wait() == 0


def test_a_client_that_takes_nothing_for_too_long_loses_its_stream_and_can_go_on(
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
        with connected(running) as api:
            stream = watch(api, tokens.encode_resume_token(0))
            next(stream)
            wait_until(lambda: metric(running, "payments_watches") == 0)
            failed = ending(stream)
            assert (failed.code, failed.reason) == ("UNAVAILABLE", "READER_TOO_SLOW")
            assert failed.retry_after_seconds
            # One who reads is not cut.
            assert len(following(watch(api, tokens.encode_resume_token(ROWS - 3_000)), 3_000)) == 3_000


def test_a_client_of_rest_that_reads_nothing_costs_little_memory_and_is_cut(
    start_service: StartService, sql: Callable[..., list[Any]]
) -> None:
    running = start_service(REST_BODY_TIMEOUT_SECONDS="3")
    fill(sql, ROWS)
    token = tokens.encode_resume_token(0)
    with httpx.stream(
        "GET", f"{running.rest_url}/v2/payments:watch?resumeToken={tokens.encode_resume_token(ROWS - 3000)}"
    ) as it:
        lines = it.iter_lines()
        for _ in range(3_000):
            next(lines)
    wait_until(lambda: metric(running, "payments_watches") == 0)
    before = resident_bytes(running)
    with socket.create_connection(("127.0.0.1", running.rest_port)) as client:
        client.sendall(f"GET /v2/payments:watch?resumeToken={token} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        wait_until(lambda: metric(running, "payments_watches") == 1)
        assert settled_growth(running, before) < MOST_GROWTH_BYTES
        wait_until(lambda: metric(running, "payments_watches") == 0)


# Over REST


def lines_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in response.iter_lines())


def test_rest_streams_lines_of_json(start_service: StartService) -> None:
    running = start_service()
    url = f"{running.rest_url}/v2/payments:watch"
    # Compressed, lines would wait for one another.
    with (
        connected(running) as api,
        httpx.stream("GET", url, headers={"accept-encoding": "gzip"}, timeout=PATIENCE_SECONDS) as answer,
    ):
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = lines_of(answer)
        first = next(lines)["result"]
        assert first.keys() == {"resumeToken"}
        payment = api.charge(charge()).payment
        event = next(lines)["result"]
        assert event["event"]["type"] == "PAYMENT_EVENT_TYPE_CHARGED"
        assert event["event"]["payment"]["paymentId"] == str(payment.payment_id)
        assert event["event"]["caller"] == "anonymous"
        with httpx.stream("GET", url, params={"resumeToken": first["resumeToken"]}, timeout=PATIENCE_SECONDS) as again:
            repeated = lines_of(again)
            next(repeated)
            assert next(repeated)["result"] == event
        running.send(signal.SIGTERM)
        *_, last = lines
    assert last["error"]["details"][0]["reason"] == "SHUTTING_DOWN"
    assert running.wait() == 0


def events_of(answer: httpx.Response) -> Iterator[dict[str, str]]:
    """Read server-sent events."""
    event: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line:
            yield event
            event = {}
        else:
            name, _, value = line.partition(": ")
            event[name] = value


def test_rest_streams_server_sent_events_which_go_on_from_the_last_id(start_service: StartService) -> None:
    running = start_service()
    url = f"{running.rest_url}/v2/payments:watch"
    accept = {"accept": "text/event-stream"}
    with connected(running) as api:
        with httpx.stream("GET", url, headers=accept, timeout=PATIENCE_SECONDS) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = events_of(answer)
            first = next(events)
            ids = [api.charge(charge()).payment.payment_id for _ in range(2)]
            seen = [next(events) for _ in range(2)]
        assert [json.loads(it["data"])["event"]["payment"]["paymentId"] for it in seen] == list(map(str, ids))
        assert [json.loads(it["data"])["resumeToken"] for it in seen] == [it["id"] for it in seen]
        for begin, rest in ((first, seen), (seen[0], seen[1:])):
            # As a browser connects again: the address of the first time, and the header that is newer.
            headers = {**accept, "last-event-id": begin["id"]}
            params = {"resumeToken": first["id"]}
            with httpx.stream("GET", url, headers=headers, params=params, timeout=PATIENCE_SECONDS) as answer:
                events = events_of(answer)
                next(events)
                assert [next(events) for _ in rest] == rest


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_rest_refuses_a_wrong_token_before_there_is_a_stream(service: RunningService, accept: str) -> None:
    url = f"{service.rest_url}/v2/payments:watch"
    answer = httpx.get(url, params={"resumeToken": "nonsense"}, headers={"accept": accept})
    assert answer.status_code == 400
    assert answer.json()["details"][1]["fieldViolations"][0]["field"] == "resume_token"


def test_a_rest_client_that_goes_away_ends_its_stream(start_service: StartService) -> None:
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


# By hand


def test_grpcurl_and_curl_stream(start: StartService) -> None:
    running = start()
    commands = (
        [str(ROOT / ".bin" / "grpcurl"), "-plaintext", running.target, "payments.v1.PaymentService/WatchPayments"],
        ["curl", "--silent", "--no-buffer", f"{running.rest_url}/v2/payments:watch"],
    )
    for command in commands:
        with (
            connected(running) as api,
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}) as process,
        ):
            assert process.stdout is not None
            timer = threading.Timer(PATIENCE_SECONDS, process.kill)
            timer.start()
            wait_until(lambda: metric(running, "payments_watches") == 1)
            reference = api.charge(charge()).payment.reference
            try:
                assert any(reference in line for line in process.stdout)
            finally:
                timer.cancel()
                process.kill()
        wait_until(lambda: metric(running, "payments_watches") == 0)
