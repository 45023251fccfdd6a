"""Checks of a Galera cluster: its quorum, its size, and the settings that reads and migrations depend on."""

from collections.abc import Iterator, Mapping

from tools.database.connection import DatabaseConnection, execute
from tools.operations.doctor.check_result import CheckResult, Level

SUBJECT = "galera"

_MIN_NODES = 3
_SETTINGS = "SHOW GLOBAL VARIABLES WHERE variable_name IN ('wsrep_on', 'wsrep_osu_method')"
_STATUS = """
    SHOW GLOBAL STATUS
    WHERE variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_local_state_comment')
"""


def cluster(connection: DatabaseConnection, *, has_causal_reads: bool) -> Iterator[CheckResult]:
    """Check the cluster, if the server is one of its nodes. ``has_causal_reads`` is the setting of the service."""
    settings = _values(connection, _SETTINGS)
    if settings.get("wsrep_on", "OFF").upper() != "ON":
        return
    status = _values(connection, _STATUS)
    yield node(status)
    if settings["wsrep_osu_method"].upper() != "TOI":
        text = (
            f"wsrep_OSU_method is {settings['wsrep_osu_method']}, so a migration would change only this node's schema"
        )
        yield CheckResult(Level.WARNING, SUBJECT, text, "SET GLOBAL wsrep_OSU_method = 'TOI'.")
    if not has_causal_reads:
        text = "reads may miss what a caller has just written at another node"
        advice = "If replicas of the service use several nodes, set MYSQL_CAUSAL_READS (docs/databases.md)."
        yield CheckResult(Level.NOTE, SUBJECT, text, advice)


def node(status: Mapping[str, str]) -> CheckResult:
    """Check the node's state and the size of its cluster, from the rows of _STATUS."""
    size, state = int(status["wsrep_cluster_size"]), status["wsrep_local_state_comment"]
    values: dict[str, float | str] = {"nodes": size, "cluster": status["wsrep_cluster_status"], "state": state}
    if status["wsrep_cluster_status"] != "Primary":
        text = f"the node sees {size} of the cluster's nodes, which is no quorum, so every call fails"
        advice = "Start the other nodes, or repair the network between them."
        return CheckResult(Level.PROBLEM, SUBJECT, text, advice, values)
    if state != "Synced":
        text = f"the node is {state}, not Synced"
        return CheckResult(Level.WARNING, SUBJECT, text, "Wait until it has caught up, or use another node.", values)
    if size < _MIN_NODES:
        text = f"the cluster has {size} of at least {_MIN_NODES} nodes, so the loss of one can stop it"
        return CheckResult(Level.WARNING, SUBJECT, text, "Add nodes; an arbitrator (garbd) counts as one.", values)
    return CheckResult(Level.OK, SUBJECT, f"the node is Synced, in a cluster of {size}", values=values)


def _values(connection: DatabaseConnection, query: str) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in execute(connection, query)}
