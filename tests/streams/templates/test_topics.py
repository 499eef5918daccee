"""The topics' settings are those that the guide gives them."""

import pytest

from streams.templates.parameters import PARAMETERS
from streams.templates.topics import DAY_MS, TOPICS, Topic
from tests.docs.pages import DOCS


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.parameter)
def test_the_guide_creates_the_same_topics(topic: Topic) -> None:
    (name,) = [each.default for each in PARAMETERS if each.name == topic.parameter]
    text = (DOCS / "eks.md").read_text().replace("\\\n", "")
    (line,) = [line for line in text.splitlines() if f"--topic {name} " in line]
    for setting in ("retention.ms", "min.insync.replicas"):
        if setting in topic.config:
            assert f"--config {setting}={topic.config[setting]}" in line
    assert f"--partitions {6 if topic.is_partitioned else 1} " in line


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.parameter)
def test_the_page_says_how_long_each_topic_keeps_its_records(topic: Topic) -> None:
    (name,) = [each.default for each in PARAMETERS if each.name == topic.parameter]
    lines = (DOCS / "infrastructure.md").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{name}` |")]
    assert f"`retention.ms` {int(topic.config['retention.ms']) // DAY_MS} days" in row
    assert ("`min.insync.replicas` 2" in row) == ("min.insync.replicas" in topic.config)
