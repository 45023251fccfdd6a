"""Merge the metrics of all workers into one exposition, in which each sample has the label ``worker``."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from server.observability.metrics import SUPERVISOR, WORKER_LABEL

_TYPE = "# TYPE "


class MergedMetrics:
    """The metrics of several processes, to be encoded like a registry."""

    def __init__(self, own: CollectorRegistry, texts: Mapping[int, str]) -> None:
        """Merge the supervisor's own metrics with the ``texts`` of the workers, by number, in the OpenMetrics format.

        Raises:
            ValueError: a text is not in that format.
        """
        self._families: dict[str, Metric] = {}
        self._add(SUPERVISOR, own.collect())
        for number, text in texts.items():
            self._add(str(number), text_string_to_metric_families(text))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        """Return one family for each name."""
        return self._families.values()

    def _add(self, worker: str, families: Iterable[Metric]) -> None:
        for family in families:
            merged = self._families.get(family.name)
            if merged is None:
                merged = Metric(family.name, family.documentation, family.type, family.unit)
                self._families[family.name] = merged
            for sample in family.samples:
                merged.samples.append(sample._replace(labels={WORKER_LABEL: worker, **sample.labels}))


def merged_text(texts: Iterable[str]) -> str:
    """Return Envoy's metrics of several workers, which have the label already, with each family once.

    Envoy's counters have no suffix ``_total``, which the parser and the encoder of prometheus_client would add, so that
    they would have other names than in a service of one process.
    """
    lines_by_family: dict[str, list[str]] = {}
    for text in texts:
        family: list[str] = []
        for line in text.splitlines():
            if line.startswith(_TYPE):
                family = lines_by_family.setdefault(line, [])
            elif line:
                family.append(line)
    return "".join(f"{line}\n" for heading, lines in lines_by_family.items() for line in (heading, *lines))
