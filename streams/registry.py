"""A Prometheus registry for one deployment: topic and group are on every series it exposes.

Several deployments may be scraped by one Prometheus. Without these labels a sum over workers would
mix them, and an alert about one would stay silent while another is well.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from prometheus_client import CollectorRegistry, Metric

from streams.settings.sections import KafkaSettings

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


def deployment(kafka: KafkaSettings) -> dict[str, str]:
    """Return the labels that tell a deployment from others of the same Prometheus."""
    return {"topic": kafka.topic, "group": kafka.group_id}


class LabelledRegistry(CollectorRegistry):
    """A registry that adds the same labels to every sample, whatever collector it is from."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._labels = dict(labels)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of every collector, labelled."""
        return map(self._labelled, super().collect())

    def _labelled(self, metric: Metric) -> Metric:
        metric.samples = [
            sample._replace(labels=self._labels | sample.labels) for sample in metric.samples
        ]
        return metric
