"""A private Galera cluster, with access to each of its nodes."""

import os
import signal
from contextlib import closing
from typing import Any

import pymysql

from tools.database.connection import DatabaseConnection
from tools.database.private_database import SELECTED_DATABASE
from tools.dev.devdb import PrivateDatabase

NODES = (1, 2, 3)

REJOIN_TIMEOUT_SECONDS = 90
"""How long a node may take to join the others again, on a busy machine."""

IS_SELECTED = SELECTED_DATABASE == "galera"


def host_of(node: int) -> str:
    """Return the address of a node."""
    return f"127.0.0.{node}"


def process_id_of(database: PrivateDatabase, node: int) -> int:
    """Return the process id of a node."""
    return int((database.folder / "data" / f"node{node}.pid").read_text(encoding="ascii"))


def signal_node(database: PrivateDatabase, node: int, number: signal.Signals) -> None:
    """Send a signal to the process of a node."""
    os.kill(process_id_of(database, node), number)


def connect_to(database: PrivateDatabase, node: int) -> DatabaseConnection:
    """Connect to a node as the administrator, with autocommit."""
    return pymysql.connect(
        unix_socket=f"{database.socket_path}{node}",
        user="root",
        database=database.database,
        autocommit=True,
        connect_timeout=5,
        read_timeout=30,
    )


def execute_at(database: PrivateDatabase, node: int, text: str) -> list[Any]:
    """Execute a statement at a node. A read sees all writes that other nodes have committed before."""
    with closing(connect_to(database, node)) as connection, connection.cursor() as cursor:
        cursor.execute("SET wsrep_sync_wait = 1")
        cursor.execute(text)
        return list(cursor.fetchall())


def is_synced(database: PrivateDatabase, node: int) -> bool:
    """Whether a node has all the writes of its cluster, and accepts statements."""
    try:
        # A node that was suspended calls itself Synced until it has noticed that the others excluded it. Unlike SHOW,
        # SELECT fails then, as it waits for their writes.
        rows = execute_at(
            database,
            node,
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
            "WHERE VARIABLE_NAME = 'wsrep_local_state_comment'",
        )
    except (pymysql.err.MySQLError, OSError):
        return False
    return rows == [("Synced",)]


def has_quorum(database: PrivateDatabase, node: int) -> bool:
    """Whether a node belongs to the majority."""
    with closing(connect_to(database, node)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'wsrep_cluster_status'")
        return cursor.fetchone() == ("wsrep_cluster_status", "Primary")


def isolate(database: PrivateDatabase, node: int, *, is_isolated: bool) -> None:
    """Cut a node off from the others, or let it join them again."""
    with closing(connect_to(database, node)) as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL wsrep_provider_options = %s", [f"gmcast.isolate={is_isolated:d}"])
