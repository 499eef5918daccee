"""What a soak must show: the lake has what the topic has, and the topic has what was produced."""

import json
from collections import Counter
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from streams.audit import audit
from streams.settings.settings import Settings
from tests.flow.worlds import World


@dataclass(frozen=True)
class Verdict:
    """The comparison; `differences` is empty if all is well."""

    records: int
    doubled_by_producer: int
    differences: tuple[str, ...]
    audit: audit.Audit

    @property
    def clean(self) -> bool:
        return not self.differences and not self.audit.problems


def in_topic(world: World) -> tuple[Counter[int], int]:
    """Return how often the topic has each alert, by its number; and how many are garbage."""
    ends = world.ends()
    places = {TopicPartition(world.topic, number): end for number, end in ends.items()}
    seen, garbage = Counter[int](), 0
    with KafkaConsumer(bootstrap_servers=world.bootstrap, enable_auto_commit=False) as consumer:
        consumer.assign(list(places))
        consumer.seek_to_beginning()
        while any(consumer.position(place) < end for place, end in places.items()):
            for records in consumer.poll(1000).values():
                for record in records:
                    try:
                        seen[json.loads(record.value)["output_fields"]["evt.num"]] += 1
                    except ValueError:
                        garbage += 1
    return seen, garbage


def judge(world: World, settings: Settings, sent: int, garbage: int) -> Verdict:
    """Compare lake, dead letters, topic and producer, and run the audit."""
    topic, refused = in_topic(world)
    stored = Counter(number for each in world.objects() for number in each.numbers)
    letters = len(world.dead_letters())
    differences = []

    def compare(what: str, wrong: object) -> None:
        if wrong:
            differences.append(f"{what}: {str(wrong)[:300]}")

    compare("produced, but not in the topic", sorted(set(range(sent)) - topic.keys())[:20])
    compare("in the topic, but never produced", sorted(topic.keys() - set(range(sent)))[:20])
    compare("missing in the lake", dict((topic - stored).most_common(20)))
    compare("too often in the lake", dict((stored - topic).most_common(20)))
    compare("dead letters missing or too many", letters - refused)
    compare("garbage that did not arrive", max(0, garbage - refused))
    return Verdict(
        topic.total() + refused,
        topic.total() - sent + refused - garbage,
        tuple(differences),
        audit.run(settings),
    )
