"""The faults of a run. Each is a context manager, and a seed determines their order and times.

Each yields a function that says whether it had an effect, so that a fault in an idle moment is not mistaken for one
that the service survived.
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
from tests.support import galera, tidb
from tests.support.waiting import wait_until

HadEffect = Callable[[], bool]
Inflict = Callable[[Cluster, random.Random], AbstractContextManager[HadEffect]]

_OUT_OF_CONNECTIONS = 1040
_READ_ONLY = 1290
_NO_SPACE = frozenset({3, 28, 1021, 1026, 1114})
"""The database's error codes for a full disk, a failed write, and a full table."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault, and the range of its duration."""

    inflict: Inflict
    min_seconds: float
    max_seconds: float


def _server_killed(*, both: bool) -> Inflict:
    @contextmanager
    def inflict(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
        victims = cluster.replicas if both else [rng.choice(cluster.replicas)]
        for victim in victims:
            victim.service.kill()
        yield _always
        for victim in victims:
            victim.restart_killed()

    return inflict


@contextmanager
def _database_killed(cluster: Cluster, _rng: random.Random) -> Iterator[HadEffect]:
    cluster.database.kill()
    yield _always
    cluster.database.start()


@contextmanager
def _server_stopped(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
    victim = rng.choice(cluster.replicas).service
    victim.send(signal.SIGSTOP)
    try:
        yield _always
    finally:
        victim.send(signal.SIGCONT)


@contextmanager
def _database_stopped(cluster: Cluster, _rng: random.Random) -> Iterator[HadEffect]:
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


def _reset_connections(side: Side) -> Inflict:
    """Reset every connection a random time after its first data in a random direction."""

    @contextmanager
    def inflict(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
        def repeat_fault() -> None:
            for proxy in side(cluster):
                proxy.clear()
                proxy.add("reset_peer", rng.choice(tuple(Stream)), timeout=rng.randint(0, 200))

        with _clear_afterwards(side(cluster)), _repeat_in_thread(repeat_fault, 0.5):
            yield _always

    return inflict


def _delay_connections(side: Side) -> Inflict:
    """Delay data, and split it into small pieces."""

    @contextmanager
    def inflict(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
        with _clear_afterwards(side(cluster)):
            for proxy in side(cluster):
                milliseconds = rng.randint(20, 400)
                proxy.add("latency", rng.choice(tuple(Stream)), latency=milliseconds, jitter=milliseconds // 2)
                proxy.add("slicer", Stream.TO_CLIENT, average_size=64, size_variation=32, delay=10)
            yield _always

    return inflict


def _cut_connections(side: Side) -> Inflict:
    """Close each connection after a random number of bytes, even in the middle of a message."""

    @contextmanager
    def inflict(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
        def repeat_fault() -> None:
            for proxy in side(cluster):
                proxy.clear()
                # About the size of a handshake, one statement, or several statements.
                proxy.add("limit_data", rng.choice(tuple(Stream)), bytes=round(10 ** rng.uniform(1, 4.3)))

        with _clear_afterwards(side(cluster)), _repeat_in_thread(repeat_fault, 0.3):
            yield _always

    return inflict


def _blackhole_connections(side: Side) -> Inflict:
    """Silently drop all data in one or both directions."""

    @contextmanager
    def inflict(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
        streams = rng.choice(((Stream.TO_SERVER,), (Stream.TO_CLIENT,), tuple(Stream)))
        with _clear_afterwards(side(cluster)):
            for proxy in side(cluster):
                for stream in streams:
                    proxy.add("timeout", stream, timeout=0)
            yield _always

    return inflict


@contextmanager
def _deadlocks(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
    """Lock rows in the opposite order to a charge or refund, so that the two deadlock.

    The database rolls back the transaction with fewer locks. That is never this one, because it locks whole indexes.
    """
    before = cluster.lock_metric("lock_deadlocks")

    def repeat_fault() -> None:
        table = rng.choice(("payments", "refunds"))
        with cluster.connect() as connection, connection.cursor() as cursor, suppress(pymysql.err.OperationalError):
            cursor.execute("SET innodb_lock_wait_timeout = 2")
            cursor.execute("START TRANSACTION")
            cursor.execute(
                f"SELECT COUNT(*) FROM {table} FORCE INDEX ({table}_by_request) WHERE caller > '' FOR UPDATE"
            )
            time.sleep(0.2)
            cursor.execute("SELECT payment_id FROM payments ORDER BY payment_id DESC LIMIT 50 FOR UPDATE")
            connection.rollback()

    with _repeat_in_thread(repeat_fault, 0.2):
        yield lambda: cluster.lock_metric("lock_deadlocks") > before


@contextmanager
def _rows_locked(cluster: Cluster, _rng: random.Random) -> Iterator[HadEffect]:
    """Lock every payment and the gaps between them, sometimes for longer than the statement timeout."""
    before = cluster.lock_metric("lock_row_lock_waits")
    with cluster.connect() as connection, connection.cursor() as cursor:
        _lock_all(cursor)
        yield lambda: cluster.lock_metric("lock_row_lock_waits") > before
        connection.rollback()


def _lock_all(cursor: Cursor) -> None:
    """Lock every payment, and retry after a deadlock with a call."""
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
def _connections_killed(cluster: Cluster, _rng: random.Random) -> Iterator[HadEffect]:
    """Have the database close the connections of the service, even in the middle of a script."""
    with _repeat_in_thread(lambda: _kill_connections(cluster), 0.2):
        yield _always


def _kill_connections(cluster: Cluster) -> None:
    for (connection_id,) in cluster.execute(
        "SELECT id FROM information_schema.processlist WHERE user = %s", (SERVICE_USER,)
    ):
        with suppress(pymysql.err.OperationalError):  # already closed
            cluster.execute("KILL %s", (connection_id,))


@contextmanager
def _out_of_connections(cluster: Cluster, _rng: random.Random) -> Iterator[HadEffect]:
    """Take every connection of the database, including those of the service."""
    before = cluster.database_errors()[_OUT_OF_CONNECTIONS]
    with ExitStack() as connections:
        _kill_connections(cluster)

        def repeat_fault() -> None:
            with suppress(pymysql.err.OperationalError):
                for _ in range(MAX_CONNECTIONS):
                    connections.callback(cluster.connect_as_service().close)

        with _repeat_in_thread(repeat_fault, 0.1):
            yield lambda: cluster.database_errors()[_OUT_OF_CONNECTIONS] > before


@contextmanager
def _read_only(cluster: Cluster, _rng: random.Random) -> Iterator[HadEffect]:
    """Reject writes, like a database that is no longer the primary."""
    before = cluster.database_errors()[_READ_ONLY]
    cluster.execute("SET GLOBAL read_only = 1")
    yield lambda: cluster.database_errors()[_READ_ONLY] > before
    cluster.execute("SET GLOBAL read_only = 0")


@contextmanager
def _disk_full(cluster: Cluster, _rng: random.Random) -> Iterator[HadEffect]:
    before = _count_no_space(cluster)
    cluster.volume.fill()
    try:
        yield lambda: not cluster.database.is_running() or _count_no_space(cluster) > before
    finally:
        cluster.volume.restore_size()
        # A database may exit when it cannot write.
        cluster.database.start()


def _count_no_space(cluster: Cluster) -> int:
    return sum(count for code, count in cluster.database_errors().items() if code in _NO_SPACE)


@contextmanager
def _node_killed(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
    """Kill a node, which is started again."""
    node = rng.choice(galera.NODES)
    before = galera.process_id_of(cluster.database, node)
    galera.signal_node(cluster.database, node, signal.SIGKILL)
    yield _always

    def is_back() -> bool:
        is_another = galera.process_id_of(cluster.database, node) != before
        return is_another and galera.is_synced(cluster.database, node)

    wait_until(is_back, within_seconds=galera.REJOIN_TIMEOUT_SECONDS)


@contextmanager
def _node_stopped(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
    """Suspend a node, sometimes for so long that the others exclude it."""
    node = rng.choice(galera.NODES)
    galera.signal_node(cluster.database, node, signal.SIGSTOP)
    try:
        yield _always
    finally:
        galera.signal_node(cluster.database, node, signal.SIGCONT)


def _nodes_cut_off(*, all_of_them: bool) -> Inflict:
    """Cut a node off from the quorum, or every node from the others."""

    @contextmanager
    def inflict(cluster: Cluster, rng: random.Random) -> Iterator[HadEffect]:
        nodes = galera.NODES if all_of_them else [rng.choice(galera.NODES)]
        for node in nodes:
            galera.isolate(cluster.database, node, is_isolated=True)
        try:
            yield lambda: not any(galera.has_quorum(cluster.database, node) for node in nodes)
        finally:
            for node in nodes:
                galera.isolate(cluster.database, node, is_isolated=False)

    return inflict


FAULTS = {
    "server killed": Fault(_server_killed(both=False), 0.2, 2),
    "both servers killed": Fault(_server_killed(both=True), 0.1, 0.5),
    "server stopped": Fault(_server_stopped, 2, 10),
    "database killed": Fault(_database_killed, 0.1, 2),
    "database stopped": Fault(_database_stopped, 2, 10),
    "connections to the database reset": Fault(_reset_connections(_to_database), 2, 5),
    "connections to the database delayed": Fault(_delay_connections(_to_database), 2, 5),
    "connections to the database cut in half": Fault(_cut_connections(_to_database), 2, 5),
    "connections to the database blackholed": Fault(_blackhole_connections(_to_database), 2, 6),
    "connections to the database killed": Fault(_connections_killed, 2, 5),
    "connections of clients reset": Fault(_reset_connections(_from_clients), 2, 5),
    "connections of clients delayed": Fault(_delay_connections(_from_clients), 2, 5),
    "connections of clients cut in half": Fault(_cut_connections(_from_clients), 2, 5),
    "connections of clients blackholed": Fault(_blackhole_connections(_from_clients), 2, 6),
    "deadlocks": Fault(_deadlocks, 2, 5),
    "rows locked": Fault(_rows_locked, 1, 4),
    "out of connections": Fault(_out_of_connections, 2, 5),
    "database read-only": Fault(_read_only, 1, 4),
    "disk full": Fault(_disk_full, 1, 4),
}
"""Every kind of fault. Clients that cancel calls or exceed deadlines are part of the load at all times."""

if galera.IS_SELECTED:
    # The other faults concern only one server, or need locks that a replicated write breaks.
    FAULTS = {name: FAULTS[name] for name in ("server killed", "both servers killed", "server stopped")} | {
        "node killed": Fault(_node_killed, 0.1, 2),
        "node stopped": Fault(_node_stopped, 2, 15),
        "node cut off": Fault(_nodes_cut_off(all_of_them=False), 2, 10),
        "all nodes cut off": Fault(_nodes_cut_off(all_of_them=True), 2, 10),
    }
if tidb.IS_SELECTED:
    # The others use InnoDB's counters, or options that TiDB does not have.
    for name in ("deadlocks", "rows locked", "out of connections", "database read-only", "disk full"):
        del FAULTS[name]


def kinds(text: str) -> list[str]:
    """Parse the names of faults, separated by commas.

    Raises:
        ValueError: a name is unknown; the message lists the names that the selected database allows.
    """
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in FAULTS]:
        msg = f"no such fault on this database: {', '.join(unknown)}; the faults are {', '.join(FAULTS)}"
        raise ValueError(msg)
    return names


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a schedule: its name, its duration, the pause before it, and its random seed."""

    name: str
    seconds: float
    pause_seconds: float
    seed: int


def schedule(seed: int, names: list[str]) -> Iterator[Step]:
    """Yield rounds of all faults forever, each in a random order that ``seed`` determines."""
    rng = random.Random(seed)
    while True:
        for name in rng.sample(names, len(names)):
            fault = FAULTS[name]
            # Long faults are rarer than short ones.
            seconds = rng.triangular(fault.min_seconds, fault.max_seconds, fault.min_seconds)
            yield Step(name, round(seconds, 2), round(rng.uniform(0.2, 0.8), 2), rng.getrandbits(32))


def _always() -> bool:
    return True


@contextmanager
def _clear_afterwards(proxies: list[Proxy]) -> Iterator[None]:
    """Remove the toxics of the proxies at the end of the context."""
    try:
        yield
    finally:
        for proxy in proxies:
            proxy.clear()


@contextmanager
def _repeat_in_thread(action: Callable[[], None], every_seconds: float) -> Iterator[None]:
    """Repeat an action in a thread within the context."""
    stopping = threading.Event()
    errors: list[Exception] = []

    def repeat() -> None:
        try:
            while not stopping.is_set():
                action()
                stopping.wait(every_seconds)
        except Exception as error:  # noqa: BLE001 - raised in the thread that started this one
            errors.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    if errors:
        raise errors[0]
