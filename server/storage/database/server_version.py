"""The product and version of the database server, and whether the service is tested on it.

``docs/databases.md`` lists the same versions and says how they are tested; a test compares the two.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from server.domain.deadline import Deadline
from server.storage.database.pool import Database
from server.storage.database.session import Session

_MARIADB, _MYSQL, _TIDB = "MariaDB", "MySQL", "TiDB"
_GALERA = "MariaDB Galera"
_XTRADB_CLUSTER = "Percona XtraDB Cluster"

TESTED_VERSIONS = {_MARIADB: ("10.11", "11.8"), _MYSQL: ("8.4", "9.7"), _GALERA: ("11.8",), _TIDB: ("8.5",)}
"""The versions on which the tests run, by product."""

UNTESTED_ADVICE = "The service is tested on {} (docs/databases.md).".format(
    ", ".join(f"{product} {' and '.join(versions)}" for product, versions in TESTED_VERSIONS.items())
)
"""What to know about an untested version."""

_OLDEST_VERSIONS = {_MARIADB: (10, 6, 0), _GALERA: (10, 6, 0), _MYSQL: (8, 0, 17), _TIDB: (8, 5, 0)}
"""The first version of each product with SKIP LOCKED, atomic DDL, and a binary collation that does not pad, which the
service needs. TiDB ignores SKIP LOCKED; its foreign keys are no longer experimental from 8.5 on.
"""

_SUPPORTED = "Use MariaDB 10.6, MySQL 8.0.17, TiDB 8.5, or a later version (docs/databases.md)"

SELECT_SERVER_VERSION = """
    SHOW GLOBAL VARIABLES WHERE variable_name IN ('version', 'version_comment', 'aurora_version', 'wsrep_on')
"""
"""Reads no table, and needs no privilege. Only Aurora has aurora_version, and wsrep_on is ON only on Galera."""

_NUMBER = re.compile(r"(?:.*-TiDB-v)?(\d+)\.(\d+)\.(\d+)")
"""TiDB's version begins with the MySQL version that it is compatible with: ``8.0.11-TiDB-v8.5.0``."""


class UnsupportedServer(Exception):
    """The service cannot use the database server. The message says why, and which servers it can use."""


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """The product and version of a database server. ``text`` is the version as the server reports it."""

    product: str
    text: str
    number: tuple[int, int, int]

    def __str__(self) -> str:
        """Return the product and its version."""
        return f"{self.product} {self.text}"

    @property
    def is_tidb(self) -> bool:
        """Whether the server is TiDB, which has no InnoDB."""
        return self.product == _TIDB

    @property
    def is_cluster(self) -> bool:
        """Whether the server is a node of a Galera cluster."""
        return self.product in {_GALERA, _XTRADB_CLUSTER}

    @property
    def is_tested(self) -> bool:
        """Whether the tests run on this version."""
        return ".".join(map(str, self.number[:2])) in TESTED_VERSIONS.get(self.product, ())

    def require_supported(self) -> None:
        """Check that there is no known reason why the service cannot use this server.

        Raises:
            UnsupportedServer: there is a reason.
        """
        if self.number < _OLDEST_VERSIONS.get(self.product, _OLDEST_VERSIONS[_MYSQL]):
            raise UnsupportedServer(f"{self} is too old. {_SUPPORTED}")


def is_mariadb(version: str) -> bool:
    """Whether the version of a server or of a client program is MariaDB's rather than MySQL's."""
    return "mariadb" in version.lower()


def server_version(rows: Iterable[tuple[str, str]]) -> ServerVersion:
    """Return the product and version, from the rows of SELECT_SERVER_VERSION."""
    values = {name.lower(): str(value) for name, value in rows}
    text = values["version"]
    number = _NUMBER.match(text)
    assert number is not None, text
    return ServerVersion(_product(values), text, (int(number[1]), int(number[2]), int(number[3])))


def _product(values: dict[str, str]) -> str:
    version, comment = values["version"].lower(), values.get("version_comment", "").lower()
    is_galera = values.get("wsrep_on", "OFF").upper() == "ON"
    if is_mariadb(version):
        return _GALERA if is_galera else _MARIADB
    if "tidb" in version:
        return _TIDB
    if "aurora_version" in values:
        return "Aurora MySQL"
    if "percona" in comment:
        return _XTRADB_CLUSTER if is_galera else "Percona Server"
    return _MYSQL


async def read_server_version(database: Database) -> ServerVersion:
    """Return the product and version of the database server.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """

    async def work(session: Session) -> ServerVersion:
        rows = await session.rows(SELECT_SERVER_VERSION, ())
        return server_version((str(name), str(value)) for name, value in rows)

    return await database.run(work, Deadline())
