"""``payments doctor`` on Galera: which states of a node and its cluster are a problem or a warning."""

import pytest

from tools.operations.doctor.check_result import Level
from tools.operations.doctor.galera_checks import node


def status(size: int, cluster: str = "Primary", state: str = "Synced") -> dict[str, str]:
    return {
        "wsrep_cluster_size": str(size),
        "wsrep_cluster_status": cluster,
        "wsrep_local_state_comment": state,
    }


@pytest.mark.parametrize(
    ("rows", "level", "text"),
    [
        (status(3), Level.OK, "the node is Synced, in a cluster of 3"),
        (status(2), Level.WARNING, "the cluster has 2 of at least 3 nodes"),
        (status(3, state="Donor/Desynced"), Level.WARNING, "the node is Donor/Desynced, not Synced"),
        (status(1, "non-Primary", "Initialized"), Level.PROBLEM, "the node sees 1 of the cluster's nodes"),
    ],
    ids=["healthy", "two nodes", "donor", "no quorum"],
)
def test_the_state_of_the_node_and_the_size_of_its_cluster_are_judged(
    rows: dict[str, str], level: Level, text: str
) -> None:
    result = node(rows)

    assert result.level is level
    assert result.text.startswith(text)
    assert bool(result.advice) is (level is not Level.OK)
