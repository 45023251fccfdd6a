r"""The system under test in a fault run: two replicas that share a database, each between two proxies.

With Galera, each replica has a node of its own, and the third node keeps the quorum.

::

    clients -> proxy -> replica 1 -> proxy -> \
                                               database
    clients -> proxy -> replica 2 -> proxy -> /
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import grpc
import pymysql
from grpc_health.v1 import health_pb2
from payments_client.v1.payments_pb2 import DESCRIPTOR, ListPaymentsRequest
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from tests.conftest import PROBABILITIES
from tests.faults.record import Tables
from tests.faults.tables import read_tables
from tests.faults.toxiproxy import Proxy, Toxiproxy
from tests.faults.volume import Volume
from tests.support import galera, tidb
from tests.support.databases import settings_of
from tests.support.drivers.calls import health_stub
from tests.support.ports import free_port
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until
from tools.database.connection import DatabaseConnection
from tools.database.migrations import migrate
from tools.dev.database_accounts import SERVICE, create_accounts, grant_privileges
from tools.dev.devdb import PrivateDatabase

MAX_CONNECTIONS = 100
"""The limit of the database. Both replicas together use at most 34."""

SERVICE_USER = SERVICE
"""The replicas' database account. Unlike root, it is subject to ``read_only``."""

_PASSWORD = "faults"  # noqa: S105 - not a secret: the database is deleted after the run
_POOL_MAX = 16
_SERVICE_SETTINGS = {
    **PROBABILITIES,
    "MYSQL_HOST": "127.0.0.1",
    "MYSQL_USER": SERVICE_USER,
    "MYSQL_PASSWORD": _PASSWORD,
    "MYSQL_POOL_MAX": str(_POOL_MAX),
    # Shorter than the defaults, so that a fault of a few seconds outlasts them.
    "MYSQL_STATEMENT_TIMEOUT_SECONDS": "2",
    "MYSQL_CONNECT_TIMEOUT_SECONDS": "2",
    # Clients refund a payment through one node as soon as another has acknowledged it.
    "MYSQL_CAUSAL_READS": str(galera.IS_SELECTED),
}
_DATABASE_OPTIONS = (
    ()
    if tidb.IS_SELECTED
    else (
        "--skip-name-resolve",
        f"--max-connections={MAX_CONNECTIONS}",
        "--loose-innodb-log-file-size=64M",  # MariaDB
        "--loose-innodb-redo-log-capacity=64M",  # MySQL
    )
)
_SERVICE_NAME = DESCRIPTOR.services_by_name["PaymentService"].full_name
CLIENT_GONE = "ExecuteBatchError raised in core"
"""The message that grpcio logs when it sends a response to a client that has disconnected."""

_ESTABLISHED = "01"
"""The state of an established connection in /proc/net/tcp."""


class Replica:
    """One replica of the service, and the proxies on both sides of it."""

    def __init__(
        self,
        number: int,
        toxiproxy: Toxiproxy,
        host: str,
        database_port: int,
        database: str,
        settings: Mapping[str, str],
    ) -> None:
        """Create the proxies, without starting the server."""
        self.name = name = f"replica-{number}"
        port = free_port()
        self.from_clients = toxiproxy.proxy(f"{name}-from-clients", port)
        self.to_database = toxiproxy.proxy(f"{name}-to-database", database_port, host)
        ports = {"MYSQL_PORT": str(self.to_database.port), "GRPC_PORT": str(port), "REST_PORT": str(free_port())}
        self.service = RunningService({**_SERVICE_SETTINGS, **settings, **ports, "MYSQL_DB": database})
        self.calls: Counter[tuple[str, str]] = Counter()
        """The number of calls by RPC and status."""
        self.database_errors: Counter[int] = Counter()
        """The number of database errors by code."""
        self.problems: list[str] = []
        """Log lines that must not occur: errors, and lines that are not log events."""

    @property
    def target(self) -> str:
        """The address for clients: the proxy's."""
        return f"127.0.0.1:{self.from_clients.port}"

    def read_log(self) -> None:
        """Count the log events since the last call of this method."""
        events, lines = self.service.take_log()
        for event in events:
            match event:
                case {"event": "call", "rpc": rpc, "code": code}:
                    self.calls[rpc, code] += 1
                case {"event": "database_unavailable", "code": code, "repeated": repeated}:
                    self.database_errors[code] += 1 + repeated
            if event.get("level") in {"error", "critical"} and not event["event"].startswith(CLIENT_GONE):
                self.problems.append(f"{self.name}: {event}")
        self.problems += [f"{self.name}: {line}" for line in lines if not line.startswith("{")]

    def restart_killed(self) -> None:
        """Start the server again after it was killed, without waiting until it listens."""
        self.read_log()
        self.service.spawn()

    def is_serving(self) -> bool:
        """Check the health of the server, bypassing its proxy."""
        with grpc.insecure_channel(self.service.target) as channel:
            try:
                response = health_stub(channel).Check(health_pb2.HealthCheckRequest(service=_SERVICE_NAME), timeout=2)
            except grpc.RpcError:
                return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    def can_read(self) -> bool:
        """Check through both proxies that the server can read from the database."""
        with grpc.insecure_channel(self.target) as channel:
            try:
                PaymentServiceStub(channel).ListPayments(ListPaymentsRequest(page_size=1), timeout=2)
            except grpc.RpcError:
                return False
        return True

    def database_connections(self) -> int:
        """Count the open connections to the database."""
        return len(self._database_sockets() & set(self._open_files()))

    def other_files(self) -> int:
        """Count the open file descriptors, except for database connections."""
        return len([file for file in self._open_files() if file not in self._database_sockets()])

    def _open_files(self) -> list[str]:
        files = []
        for descriptor in Path(f"/proc/{self.service.process_id}/fd").iterdir():
            try:
                files.append(str(descriptor.readlink()))
            except FileNotFoundError:
                continue  # closed in the meantime
        return files

    def _database_sockets(self) -> set[str]:
        port = f":{self.to_database.port:04X}"
        table = Path(f"/proc/{self.service.process_id}/net/tcp").read_text(encoding="ascii")
        rows = [line.split() for line in table.splitlines()[1:]]
        return {f"socket:[{row[9]}]" for row in rows if row[2].endswith(port) and row[3] == _ESTABLISHED}


class Cluster:
    """The database, the replicas and the proxies, which run within the context."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """Keep files in ``folder``, and add ``settings`` to those of the replicas. This starts nothing."""
        self._folder = folder
        self._settings = settings
        self._stack = ExitStack()
        self.database_port = free_port()
        self.volume = Volume(folder / "volume")
        self.database = PrivateDatabase(
            folder / "volume" / "database", port=self.database_port, options=_DATABASE_OPTIONS
        )
        self.replicas: list[Replica] = []

    def __enter__(self) -> Self:
        """Start the cluster, and wait until it serves."""
        with self._stack as starting:
            starting.enter_context(self.volume)
            starting.enter_context(self.database)
            migrate(settings_of(self.database.environment()), report=lambda _: None)
            with self.connect() as connection:
                create_accounts(connection, {SERVICE_USER: _PASSWORD})
                grant_privileges(connection)
            toxiproxy = starting.enter_context(Toxiproxy(self._folder / "toxiproxy.log"))
            for number in (1, 2):
                host = galera.host_of(number) if galera.IS_SELECTED else "127.0.0.1"
                replica = Replica(number, toxiproxy, host, self.database_port, self.database.database, self._settings)
                self.replicas.append(replica)
                replica.service.spawn()
                starting.callback(_kill, replica)
            self._stack = starting.pop_all()
        assert self.wait_until_serving(60) is not None, [replica.service.output for replica in self.replicas]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the cluster."""
        self._stack.close()

    @property
    def proxies_to_database(self) -> list[Proxy]:
        """The proxies between the replicas and the database."""
        return [replica.to_database for replica in self.replicas]

    @property
    def proxies_from_clients(self) -> list[Proxy]:
        """The proxies between the clients and the replicas."""
        return [replica.from_clients for replica in self.replicas]

    def execute(self, text: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Execute and commit a statement as the administrator, and return its rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(text, values or None)
            return list(cursor.fetchall())

    def connect(self) -> DatabaseConnection:
        """Connect as the administrator with autocommit, bypassing the proxies."""
        return self.database.connect(self.database.database)

    def connect_as_service(self) -> DatabaseConnection:
        """Connect with the account of the replicas, bypassing the proxies."""
        return pymysql.connect(host="127.0.0.1", port=self.database_port, user=SERVICE_USER, password=_PASSWORD)

    def lock_metric(self, name: str) -> int:
        """Return a counter of InnoDB, such as ``lock_deadlocks``."""
        ((count,),) = self.execute("SELECT count FROM information_schema.innodb_metrics WHERE name = %s", (name,))
        return int(count)

    def signal_database(self, number: signal.Signals) -> None:
        """Send a signal to the process of the database."""
        os.kill(self.database.process_id, number)

    def read_logs(self) -> None:
        """Count the new log events of all replicas."""
        for replica in self.replicas:
            replica.read_log()

    def database_errors(self) -> Counter[int]:
        """Return the number of database errors by code, of all replicas."""
        self.read_logs()
        return sum((replica.database_errors for replica in self.replicas), Counter())

    def wait_until_serving(self, timeout_seconds: float) -> float | None:
        """Wait until every replica is SERVING and can read. Return the seconds, or None after the timeout."""

        def are_serving() -> bool:
            return all(replica.is_serving() and replica.can_read() for replica in self.replicas)

        started = time.monotonic()
        if _wait_until(are_serving, timeout_seconds):
            return time.monotonic() - started
        return None

    def surplus_connections(self, timeout_seconds: float) -> list[str]:
        """Wait until no replica exceeds its pool and the database counts the same, and return any difference left."""

        def differences() -> list[str]:
            held = [replica.database_connections() for replica in self.replicas]
            expected_max = _POOL_MAX + 1  # the pool, and the connection of the health check
            counted = self._count_connections()
            found = [f"{replica.name} holds {count}" for replica, count in zip(self.replicas, held, strict=True)]
            return (
                [] if max(held) <= expected_max and counted == sum(held) else [*found, f"the database counts {counted}"]
            )

        _wait_until(lambda: not differences(), timeout_seconds)
        return differences()

    def _count_connections(self) -> int:
        """Return the number of connections of the replicas at all nodes."""
        text = f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{SERVICE_USER}'"
        if galera.IS_SELECTED:
            return sum(int(galera.execute_at(self.database, node, text)[0][0]) for node in galera.NODES)
        return int(self.execute(text)[0][0])

    def tables(self) -> Tables:
        """Wait until the relays have emptied the outbox, and read the content of the database.

        With Galera, check that it is the same at all nodes, when each has joined the others again.
        """
        is_two_phase = "PROCESSOR" in self._settings
        if not galera.IS_SELECTED:
            return read_tables(self.execute, is_two_phase=is_two_phase)
        for node in galera.NODES:
            wait_until(partial(galera.is_synced, self.database, node), within_seconds=galera.REJOIN_TIMEOUT_SECONDS)
        tables, *others = [
            read_tables(partial(galera.execute_at, self.database, node), is_two_phase=is_two_phase)
            for node in galera.NODES
        ]
        assert all(other == tables for other in others), "the nodes have different rows"
        return tables


def _wait_until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _kill(replica: Replica) -> None:
    if replica.service.is_running:
        replica.service.send(signal.SIGCONT)
        replica.service.kill()
