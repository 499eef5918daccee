"""The topics' settings are those that the guide gives them."""

import pytest

from streams.templates.parameters import PARAMETERS
from streams.templates.topics import TOPICS, Topic
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
