"""What a process exposes says whose it is: a worker's and a receiver's series, each of them."""

import pytest

from streams.receive import metrics as receive
from streams.registry import deployment
from streams.settings.sections import KafkaSettings
from streams.worker import metrics as worker

LABELS = deployment(KafkaSettings(topic="falco-prod", group_id="lake-prod"))


@pytest.mark.parametrize(
    "metrics", [worker.Metrics(labels=LABELS), receive.Metrics(LABELS)], ids=["worker", "receiver"]
)
def test_every_series_has_topic_and_group(metrics: worker.Metrics | receive.Metrics) -> None:
    samples = [each for family in metrics.registry.collect() for each in family.samples]
    assert {each.name for each in samples} >= {"process_cpu_seconds_total"}
    assert any(each.name.endswith("_seconds_bucket") for each in samples)
    for sample in samples:
        assert sample.labels.items() >= {"topic": "falco-prod", "group": "lake-prod"}.items()


def test_a_metric_keeps_its_own_labels() -> None:
    metrics = worker.Metrics(labels=LABELS)
    metrics.lost(3, 7)
    wanted = {"topic": "falco-prod", "group": "lake-prod", "partition": "3"}
    assert metrics.registry.get_sample_value("falcolake_lost_records_total", wanted) == 7
