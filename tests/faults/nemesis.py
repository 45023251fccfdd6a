"""What breaks: each fault a context in which it lasts, chosen and timed by a seed.

A fault gives back a test of whether it was felt, so that none passes unnoticed because it came at a quiet moment.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

from tests.faults.cluster import MAX_CONNECTIONS, SERVICE_USER, Cluster
from tests.faults.toxiproxy import Proxy, Stream

Felt = Callable[[], bool]
Inflict = Callable[[Cluster, random.Random], AbstractContextManager[Felt]]

_OUT_OF_CONNECTIONS = 1040
_READ_ONLY = 1290
_NO_SPACE = frozenset({3, 28, 1021, 1026, 1114})
"""The database's words for a full disk: of the file that is written, of a table."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, and how long it lasts."""

    inflict: Inflict
    least_seconds: float
    most_seconds: float


def _server_killed(*, both: bool) -> Inflict:
    @contextmanager
    def inflict(cluster: Cluster, chance: random.Random) -> Iterator[Felt]:
        victims = cluster.replicas if both else [chance.choice(cluster.replicas)]
        for victim in victims:
            victim.service.kill()
        yield _always
        for victim in victims:
            victim.restart_killed()

    return inflict


@contextmanager
def _database_killed(cluster: Cluster, _chance: random.Random) -> Iterator[Felt]:
    cluster.database.kill()
    yield _always
    cluster.database.start()


@contextmanager
def _server_stopped(cluster: Cluster, chance: random.Random) -> Iterator[Felt]:
    victim = chance.choice(cluster.replicas).service
    victim.send(signal.SIGSTOP)
    try:
        yield _always
    finally:
        victim.send(signal.SIGCONT)


@contextmanager
def _database_stopped(cluster: Cluster, _chance: random.Random) -> Iterator[Felt]:
    cluster.signal_database(signal.SIGSTOP)
    try:
        yield _always
    finally:
        cluster.signal_database(signal.SIGCONT)


Side = Callable[[Cluster], list[Proxy]]


def _to_database(cluster: Cluster) -> list[Proxy]:
    return cluster.proxies_to_database


def _from_clients(cluster: Cluster) -> list[Proxy]:
    return cluster.proxies_from_clients


def _reset(side: Side) -> Inflict:
    """Reset every connection as soon as anything is said on it, after some time, one way or the other."""

    @contextmanager
    def inflict(cluster: Cluster, chance: random.Random) -> Iterator[Felt]:
        def again() -> None:
            for proxy in side(cluster):
                proxy.clear()
                proxy.add("reset_peer", chance.choice(tuple(Stream)), timeout=chance.randint(0, 200))

        with _clearing(side(cluster)), _repeating(again, 0.5):
            yield _always

    return inflict


def _delayed(side: Side) -> Inflict:
    """Hold data back, and let it through in small pieces."""

    @contextmanager
    def inflict(cluster: Cluster, chance: random.Random) -> Iterator[Felt]:
        with _clearing(side(cluster)):
            for proxy in side(cluster):
                milliseconds = chance.randint(20, 400)
                proxy.add("latency", chance.choice(tuple(Stream)), latency=milliseconds, jitter=milliseconds // 2)
                proxy.add("slicer", Stream.TO_CLIENT, average_size=64, size_variation=32, delay=10)
            yield _always

    return inflict


def _cut_in_half(side: Side) -> Inflict:
    """Close each connection after some bytes, wherever in a message that is."""

    @contextmanager
    def inflict(cluster: Cluster, chance: random.Random) -> Iterator[Felt]:
        def again() -> None:
            for proxy in side(cluster):
                proxy.clear()
                # As many more or less as a connection's first words, a statement, or some of them take.
                proxy.add("limit_data", chance.choice(tuple(Stream)), bytes=round(10 ** chance.uniform(1, 4.3)))

        with _clearing(side(cluster)), _repeating(again, 0.3):
            yield _always

    return inflict


def _blackholed(side: Side) -> Inflict:
    """Let nothing through, one way or both, and tell nobody."""

    @contextmanager
    def inflict(cluster: Cluster, chance: random.Random) -> Iterator[Felt]:
        streams = chance.choice(((Stream.TO_SERVER,), (Stream.TO_CLIENT,), tuple(Stream)))
        with _clearing(side(cluster)):
            for proxy in side(cluster):
                for stream in streams:
                    proxy.add("timeout", stream, timeout=0)
            yield _always

    return inflict


@contextmanager
def _deadlocks(cluster: Cluster, chance: random.Random) -> Iterator[Felt]:
    """Lock what a charge or a refund needs last, then what it holds already: one of both must give way.

    The database chooses the one that holds less, which is never this one: it holds whole indexes.
    """
    before = cluster.status("Innodb_deadlocks")

    def again() -> None:
        table, newest = chance.choice((("payments", "payments"), ("refunds", "payments")))
        with cluster.connect() as connection, connection.cursor() as cursor, suppress(pymysql.err.OperationalError):
            cursor.execute("SET innodb_lock_wait_timeout = 2")
            cursor.execute("START TRANSACTION")
            cursor.execute(
                f"SELECT COUNT(*) FROM {table} FORCE INDEX ({table}_by_request) WHERE caller > '' FOR UPDATE"
            )
            time.sleep(0.2)
            cursor.execute(f"SELECT payment_id FROM {newest} ORDER BY payment_id DESC LIMIT 50 FOR UPDATE")
            connection.rollback()

    with _repeating(again, 0.2):
        yield lambda: cluster.status("Innodb_deadlocks") > before


@contextmanager
def _rows_locked(cluster: Cluster, _chance: random.Random) -> Iterator[Felt]:
    """Hold the lock of every payment, and of the gaps between, for longer than a call waits for the database."""
    before = cluster.status("Innodb_row_lock_waits")
    with cluster.connect() as connection, connection.cursor() as cursor:
        _lock_all(cursor)
        yield lambda: cluster.status("Innodb_row_lock_waits") > before
        connection.rollback()


def _lock_all(cursor: Cursor) -> None:
    """Lock every payment, again if a call that holds one row and waits for another is in the way."""
    while True:
        cursor.execute("START TRANSACTION")
        try:
            cursor.execute("SELECT COUNT(*) FROM payments FOR UPDATE")
        except pymysql.err.OperationalError as error:
            if error.args[0] != ER.LOCK_DEADLOCK:
                raise
        else:
            return


@contextmanager
def _out_of_connections(cluster: Cluster, _chance: random.Random) -> Iterator[Felt]:
    """Take every connection that the database has, those of the service too."""
    before = cluster.database_errors()[_OUT_OF_CONNECTIONS]
    with ExitStack() as taken:
        for (connection_id,) in cluster.execute(
            "SELECT id FROM information_schema.processlist WHERE user = %s", (SERVICE_USER,)
        ):
            with suppress(pymysql.err.OperationalError):  # gone already
                cluster.execute("KILL %s", (connection_id,))

        def again() -> None:
            with suppress(pymysql.err.OperationalError):
                for _ in range(MAX_CONNECTIONS):
                    taken.callback(cluster.connect_as_service().close)

        with _repeating(again, 0.1):
            yield lambda: cluster.database_errors()[_OUT_OF_CONNECTIONS] > before


@contextmanager
def _read_only(cluster: Cluster, _chance: random.Random) -> Iterator[Felt]:
    """Take no writes, as a database that is the primary no more."""
    before = cluster.database_errors()[_READ_ONLY]
    cluster.execute("SET GLOBAL read_only = 1")
    yield lambda: cluster.database_errors()[_READ_ONLY] > before
    cluster.execute("SET GLOBAL read_only = 0")


@contextmanager
def _disk_full(cluster: Cluster, _chance: random.Random) -> Iterator[Felt]:
    before = _no_space(cluster)
    cluster.volume.fill()
    try:
        yield lambda: not cluster.database.is_running() or _no_space(cluster) > before
    finally:
        cluster.volume.relieve()
        # A database may end itself when it cannot write.
        cluster.database.start()


def _no_space(cluster: Cluster) -> int:
    return sum(count for code, count in cluster.database_errors().items() if code in _NO_SPACE)


FAULTS = {
    "server killed": Fault(_server_killed(both=False), 0.2, 2),
    "both servers killed": Fault(_server_killed(both=True), 0.1, 0.5),
    "server stopped": Fault(_server_stopped, 2, 10),
    "database killed": Fault(_database_killed, 0.1, 2),
    "database stopped": Fault(_database_stopped, 2, 10),
    "connections to the database reset": Fault(_reset(_to_database), 2, 5),
    "connections to the database delayed": Fault(_delayed(_to_database), 2, 5),
    "connections to the database cut in half": Fault(_cut_in_half(_to_database), 2, 5),
    "connections to the database blackholed": Fault(_blackholed(_to_database), 2, 6),
    "connections of clients reset": Fault(_reset(_from_clients), 2, 5),
    "connections of clients delayed": Fault(_delayed(_from_clients), 2, 5),
    "connections of clients cut in half": Fault(_cut_in_half(_from_clients), 2, 5),
    "connections of clients blackholed": Fault(_blackholed(_from_clients), 2, 6),
    "deadlocks": Fault(_deadlocks, 2, 5),
    "rows locked": Fault(_rows_locked, 1, 4),
    "out of connections": Fault(_out_of_connections, 2, 5),
    "database read-only": Fault(_read_only, 1, 4),
    "disk full": Fault(_disk_full, 1, 4),
}
"""Every kind of fault. Clients that cancel, or let deadlines pass, are part of the load, and there all the time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a schedule: which, for how long, after which rest, and the seed of its chance."""

    name: str
    seconds: float
    rest_seconds: float
    seed: int


def schedule(seed: int, names: list[str]) -> Iterator[Step]:
    """Return the endless schedule of a seed: round after round of every kind of fault, each in an order of its own."""
    chance = random.Random(seed)
    while True:
        for name in chance.sample(names, len(names)):
            fault = FAULTS[name]
            # Long ones are rarer than short ones.
            seconds = chance.triangular(fault.least_seconds, fault.most_seconds, fault.least_seconds)
            yield Step(name, round(seconds, 2), round(chance.uniform(0.2, 0.8), 2), chance.getrandbits(32))


def _always() -> bool:
    return True


@contextmanager
def _clearing(proxies: list[Proxy]) -> Iterator[None]:
    try:
        yield
    finally:
        for proxy in proxies:
            proxy.clear()


@contextmanager
def _repeating(action: Callable[[], None], every_seconds: float) -> Iterator[None]:
    """Do something now and again and again, in a thread of its own."""
    ending = threading.Event()
    errors: list[Exception] = []

    def repeat() -> None:
        try:
            while not ending.is_set():
                action()
                ending.wait(every_seconds)
        except Exception as error:  # noqa: BLE001 - raised again where it was started
            errors.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
    if errors:
        raise errors[0]
