"""Two replicas on one database, whose releases can be replaced one replica at a time, and their callers."""

import logging
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import PROBABILITIES
from tests.faults.checker import invalid_statuses, requests_without_outcome, violations
from tests.faults.cluster import CLIENT_GONE
from tests.faults.record import History
from tests.faults.tables import read_tables
from tests.faults.workload import Workload
from tests.support.databases import Accounts, settings_of
from tests.support.ports import free_port
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until
from tests.upgrades.callers import Caller, Consumer
from tests.upgrades.previous_release import PreviousRelease
from tools.database.migration_files import MIGRATIONS
from tools.database.migrations import migrate
from tools.dev.database_accounts import MIGRATOR, SERVICE, grant_privileges

_log = logging.getLogger(__name__)

_SEED = 24
_WORKERS = 3
_CALLS_PER_STEP = 5
_RPCS = ("Charge", "Refund", "GetPayment", "ListPayments")
_SETTINGS = {**PROBABILITIES, "EVENT_HEARTBEAT_INTERVAL_SECONDS": "0.5"}


class Replica:
    """One replica, whose release can be replaced."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Set the settings, without starting a service."""
        ports = {"GRPC_PORT": str(free_port()), "REST_PORT": str(free_port())}
        self._environment = {**_SETTINGS, **environment, **ports}
        self._service: RunningService | None = None
        self.target = f"127.0.0.1:{ports['GRPC_PORT']}"
        self.calls: Counter[tuple[str, str]] = Counter()
        """The number of calls by RPC and status."""
        self.problems: list[str] = []
        """Errors in the log."""

    def run(self, release: PreviousRelease | None) -> None:
        """Stop the service gracefully, and start ``release`` in its place, or this release if it is None."""
        self.stop()
        self._service = RunningService(self._environment, None if release is None else release.program)
        self._service.start()

    def stop(self) -> None:
        """Stop the service gracefully, if it is running."""
        if self._service is not None:
            assert self._service.stop() == 0
            self.read_log()
            self._service = None

    def kill(self) -> None:
        """Kill the service, if it is running, and log its first errors, which a failed test shows."""
        if self._service is not None and self._service.is_running:
            self._service.kill()
            self.read_log()
        for problem in self.problems[:3]:
            _log.error("%s", problem)

    def read_log(self) -> None:
        """Count the calls and collect the errors since the last call of this method."""
        assert self._service is not None
        events, _ = self._service.take_log()
        self.calls.update((event["rpc"], event["code"]) for event in events if event["event"] == "call")
        self.problems += [
            str(event)
            for event in events
            if event.get("level") in {"error", "critical"} and not event["event"].startswith(CLIENT_GONE)
        ]


class Deployment:
    """Two replicas of the previous release, on a database that it has migrated."""

    def __init__(self, previous: PreviousRelease, accounts: Accounts, database: str) -> None:
        """Migrate ``database``, which must be empty. No replica runs yet."""
        self._accounts = accounts
        self._database = database
        self._migrator = accounts.environment(database, MIGRATOR)
        subprocess.run([previous.program, "migrate"], env=self._migrator, cwd=previous.folder, check=True)
        self.grant(previous.folder)
        self.replicas = [Replica(accounts.environment(database, SERVICE)) for _ in range(2)]
        self._targets = [replica.target for replica in self.replicas]
        self._history = History()

    def migrate(self, folder: Path = MIGRATIONS) -> int:
        """Apply the pending migrations in ``folder``, and return how many there were."""
        return migrate(settings_of(self._migrator), folder=folder)

    def grant(self, release: Path = ROOT) -> None:
        """Run ``grants.sql`` of the release with this source."""
        with self._accounts.server.connection(self._database) as connection:
            grant_privileges(connection, self._accounts.suffix, folder=release / "deploy" / "sql")

    @contextmanager
    def load(self) -> Iterator["Load"]:
        """Make calls while the context lasts. Then check the history of all calls, the tables, the events and logs."""
        with Consumer(self._targets) as consumer:
            wait_until(lambda: bool(consumer.token) or consumer.error is not None)
            with (
                Workload(self._targets, _SEED, self._history, _WORKERS),
                Caller(self._targets, self._history) as caller,
            ):
                yield Load(self.replicas, caller, consumer)
            tables = read_tables(self._execute, is_two_phase=False)
            wait_until(lambda: len(consumer.events) >= len(tables.events) or consumer.error is not None)
        assert consumer.events == [(event.kind, event.payment_id, event.refund_id) for event in tables.events]
        problems = [*violations(self._history, tables), *requests_without_outcome(self._history)]
        for replica in self.replicas:
            replica.stop()
            problems += [*invalid_statuses(replica.calls), *replica.problems]
        assert not problems, "\n".join(problems[:20])

    def _execute(self, text: str) -> list[tuple[object, ...]]:
        return self._accounts.server.execute(text, (), self._database)


class Load:
    """The calls of a deployment while it runs."""

    def __init__(self, replicas: list[Replica], caller: Caller, consumer: Consumer) -> None:
        """Observe the replicas and the callers that accept no error."""
        self._replicas = replicas
        self._caller = caller
        self._consumer = consumer

    def wait_until_both_serve(self) -> None:
        """Wait until each replica has served more calls of each RPC, and a list that used both is complete."""
        before = [Counter(replica.calls) for replica in self._replicas]
        lists_before = self._caller.lists_count

        def have_served() -> bool:
            for thread in (self._caller, self._consumer):
                if thread.error is not None:
                    raise thread.error
            for replica in self._replicas:
                replica.read_log()
            # The first list may have begun before.
            return self._caller.lists_count > lists_before + 1 and all(
                (replica.calls - earlier)[rpc, "OK"] >= _CALLS_PER_STEP
                for replica, earlier in zip(self._replicas, before, strict=True)
                for rpc in _RPCS
            )

        wait_until(have_served)
