"""Wire the service without group commit."""

from server.app.build import Application, build
from server.app.workers.worker import Worker
from server.config.settings import Settings
from server.storage.batching import BatchLimits
from server.storage.database.pool import Database
from server.storage.payments.insert import BATCH_LIMITS
from server.storage.payments.store import MysqlPaymentStore
from server.transport.envoy.servers import Envoy


def direct(settings: Settings, *, envoy: Envoy | None = None, worker: Worker | None = None) -> Application:
    """Build the service with a store that inserts each charge separately."""
    database = Database(settings)
    limits = BatchLimits(1, max_batches=settings.mysql_pool_max, max_queued=BATCH_LIMITS.max_queued)
    store = MysqlPaymentStore(database, insert_limits=limits)
    return build(settings, database=database, store=store, envoy=envoy, worker=worker)
