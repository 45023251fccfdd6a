"""Wire the service without metrics of its calls, charges and batches."""

from server.app.build import Application, build
from server.app.workers.worker import Worker
from server.config.settings import Settings
from server.observability import metrics
from server.transport.envoy.servers import Envoy


def without_metrics(settings: Settings, *, envoy: Envoy | None = None, worker: Worker | None = None) -> Application:
    """Build the service, and count nothing in this process."""
    for name in ("observe_call", "count_charge", "observe_batch_size"):
        setattr(metrics, name, _count_nothing)
    return build(settings, envoy=envoy, worker=worker)


def _count_nothing(*_arguments: object) -> None:
    pass
