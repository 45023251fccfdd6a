"""Causal reads on Galera: a read at one node sees everything that any node had acknowledged before."""

from server.storage.database.session import Session

_SELECT_WSREP = "SHOW VARIABLES WHERE variable_name = 'wsrep_on' AND value = 'ON'"

_WAIT_BEFORE_READS = "SET SESSION wsrep_sync_wait = 1"
"""Delays each query, and each transaction that begins with one, until the node has applied all earlier commits.

UPDATE and INSERT need no such wait: a transaction that misses a commit of another node fails its certification, and a
refund whose payment is missing is tried again in a transaction that begins with a query.
"""


class CausalReadsUnsupported(Exception):
    """The setting MYSQL_CAUSAL_READS has no meaning for this database. The message says what to do."""


async def make_reads_causal(session: Session) -> None:
    """Prepare a connection for causal reads.

    Raises:
        CausalReadsUnsupported: the database is not a node of a Galera cluster.
    """
    if not await session.rows(_SELECT_WSREP, ()):
        msg = "MYSQL_CAUSAL_READS is on, but the database is not a node of a Galera cluster (wsrep_on): unset it"
        raise CausalReadsUnsupported(msg)
    await session.script(_WAIT_BEFORE_READS, ())
