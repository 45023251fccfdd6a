"""``python -m bench.peers.without_metrics``: run this variant with the settings of the service."""

from server.__main__ import main
from server.observability import metrics


def _count_nothing(*_arguments: object) -> None:
    pass


if __name__ == "__main__":
    for name in ("observe_call", "count_charge", "observe_batch_size"):
        setattr(metrics, name, _count_nothing)
    main()
