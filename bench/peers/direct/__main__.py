"""``python -m bench.peers.direct``: run this variant with the settings of the service."""

from server.__main__ import run
from server.app.build import Application, build
from server.config.settings import Settings
from server.storage.batching import BatchLimits
from server.storage.database.pool import Database
from server.storage.payments.insert import BATCH_LIMITS
from server.storage.payments.store import MysqlPaymentStore


def direct(settings: Settings) -> Application:
    """Build the service with a store that inserts each charge separately."""
    database = Database(settings)
    limits = BatchLimits(1, max_batches=settings.mysql_pool_max, max_queued=BATCH_LIMITS.max_queued)
    return build(settings, database=database, store=MysqlPaymentStore(database, insert_limits=limits))


if __name__ == "__main__":
    run(direct)
