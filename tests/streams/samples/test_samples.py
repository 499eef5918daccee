"""Sample alerts: the same for the same seed, in the formats of Falco and falcosidekick."""

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from schemas.mapping import Finding, Mapping, Options, Reject
from streams import samples
from tests.alerts import ORDER

START = 1_795_442_607_123_456_789
PRIORITIES = {"Critical", "Error", "Warning", "Notice", "Informational", "Debug"}


def make(count: int = 3000, seed: int = 1, **options: Any) -> list[bytes]:
    return list(samples.alerts(seed, count, START, **options))


def decoded(**options: Any) -> list[dict[str, Any]]:
    return [json.loads(value) for value in make(**options)]


def nanoseconds(time: str) -> int:
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(
        fraction.ljust(9, "0")
    )


def test_same_arguments_give_the_same_bytes() -> None:
    assert make(garbage=0.1) == make(garbage=0.1)


def test_another_seed_gives_another_world() -> None:
    hosts = [{alert.get("hostname") for alert in decoded(seed=seed)} for seed in (1, 2)]
    assert len(hosts[0] - hosts[1]) > 5


def test_the_same_seed_at_another_time_repeats_rules_but_no_id() -> None:
    now, later = (
        [json.loads(value) for value in samples.alerts(1, 500, start, "falcosidekick")]
        for start in (START, START + samples.DAY)
    )
    assert [alert["rule"] for alert in now] == [alert["rule"] for alert in later]
    assert not {alert["uuid"] for alert in now} & {alert["uuid"] for alert in later}


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    assert make(count=50) == make(count=80)[:50]


def test_count_none_never_ends() -> None:
    endless = samples.alerts(1, None, START)
    assert list(itertools.islice(endless, 200)) == make(count=200)


def test_there_are_more_than_thirty_stock_rules_and_every_source() -> None:
    rules = defaultdict(set)
    for alert in decoded(form="native", count=10_000):
        rules[alert.get("source", "old")].add(alert["rule"])
    assert rules.keys() == {*samples.SOURCES, "old"}
    assert len(rules["syscall"]) >= 30


@pytest.mark.parametrize("source", samples.SOURCES)
def test_a_chosen_source_is_the_only_one(source: str) -> None:
    alerts = decoded(form="native", sources=[source], count=300)
    assert {alert["source"] for alert in alerts if "source" in alert} == {source}


def test_time_stays_in_each_alert_s_interval() -> None:
    interval = 5_000_000
    for i, alert in enumerate(decoded(interval_ns=interval)):
        assert 0 <= nanoseconds(alert["time"]) - START - i * interval < interval


def test_the_event_s_time_is_the_alert_s() -> None:
    for alert in decoded(sources=["syscall", "k8s_audit", "okta"]):
        fields = alert["output_fields"]
        assert fields.get("evt.time", fields.get("evt.time.iso8601")) == nanoseconds(alert["time"])


def test_native_keys_are_sorted_and_old_versions_lack_some() -> None:
    for value in make(form="native"):
        alert = json.loads(value)
        if "hostname" in alert:
            assert list(alert) == sorted(alert)
            assert ("tags" in alert) == (alert["source"] != "internal")
        else:
            assert list(alert) == ["output", "priority", "rule", "time", "output_fields"]
            assert b', "output_fields": {' in value
        assert "uuid" not in alert
        assert re.fullmatch(r".{19}\.\d{9}Z", alert["time"])


def test_falcosidekick_has_its_own_order_uuid_and_times() -> None:
    alerts = decoded(form="falcosidekick", count=20_000)
    for alert in alerts:
        assert list(alert) == [key for key in ORDER if key in alert]
        assert alert.get("tags", ["some"])
        assert not alert["time"].endswith("0Z")
    assert len({alert["uuid"] for alert in alerts}) == len(alerts)
    assert any(len(alert["time"]) < 30 for alert in alerts)
    assert {alert["source"] for alert in alerts} == {*samples.SOURCES, "syscalls"}


def test_falcosidekick_escapes_what_go_escapes() -> None:
    values = make(form="falcosidekick")
    assert not any(character in value for value in values for character in (b"<", b">", b"&"))
    assert any(b"\\u003cNA\\u003e" in value for value in values)
    assert any(b"<NA>" in value for value in make(form="native"))


def test_falcosidekick_cuts_long_strings_of_large_payloads() -> None:
    cut = [value for value in make(form="falcosidekick", count=20_000) if b"[...]" in value]
    assert cut
    assert all(len(text) <= 512 for value in cut for text in strings(value))
    assert not any(b"[...]" in value for value in make(form="native", count=20_000))


def strings(value: bytes) -> list[str]:
    return [text for text in json.loads(value)["output_fields"].values() if isinstance(text, str)]


def test_mixed_has_both_forms() -> None:
    with_uuid = sum("uuid" in alert for alert in decoded())
    assert 1000 < with_uuid < 2000


def test_output_fields_are_sorted_and_hold_no_slot() -> None:
    for value in make():
        fields = json.loads(value)["output_fields"]
        assert list(fields) == sorted(fields)
        assert b"~" not in value


def test_outputs_name_the_values_of_their_fields() -> None:
    for alert in decoded(form="native", sources=["syscall"]):
        text, fields = alert["output"], alert["output_fields"]
        assert f": {alert['priority']} " in text
        assert fields["proc.cmdline"] in text
        assert fields["proc.pname"] in text


def test_a_pod_stays_on_its_node_with_its_image_and_container() -> None:
    pods = defaultdict(set)
    for alert in decoded(form="native", sources=["syscall"], count=10_000):
        fields = alert["output_fields"]
        if fields.get("k8s.pod.name") and "hostname" in alert:
            place = alert["hostname"], fields["container.id"], fields["container.image.repository"]
            pods[fields["k8s.ns.name"], fields["k8s.pod.name"]].add(place)
    assert len(pods) > 30
    assert all(len(places) == 1 for places in pods.values())


def test_every_priority_is_falco_s() -> None:
    assert {alert["priority"] for alert in decoded(count=10_000)} == PRIORITIES


def test_every_alert_becomes_a_finding() -> None:
    mapping = Mapping(Options())
    outcomes = {type(mapping.map(value, START // 10**6)) for value in make(count=10_000)}
    assert outcomes == {Finding}


def test_garbage_never_becomes_a_finding() -> None:
    mapping = Mapping(Options())
    outcomes = {type(mapping.map(value, START // 10**6)) for value in make(count=2000, garbage=1.0)}
    assert outcomes == {Reject}


def test_garbage_is_the_share_that_was_asked_for() -> None:
    clean, mixed = make(count=5000), make(count=5000, garbage=0.02)
    assert 50 < sum(a != b for a, b in zip(clean, mixed, strict=True)) < 150


@pytest.mark.parametrize(
    ("make_them", "fields", "size"),
    [(samples.wide_syscall_alerts, 35, 1490), (samples.stock_syscall_alerts, 17, 1200)],
)
def test_benchmark_alerts_have_one_shape(
    make_them: Callable[..., Iterator[bytes]], fields: int, size: int
) -> None:
    values = list(make_them(7, 2000, START))
    assert {len(json.loads(value)["output_fields"]) for value in values} == {fields}
    assert sum(map(len, values)) / len(values) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"form": "xml"}, "form must be one of"), ({"sources": ["sysdig"]}, "sysdig: use syscall")],
)
def test_an_unknown_choice_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(**wrong)
