"""What a draft collects: the observables of each class and release."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schemas.kinds import LEGACY, MIDDLE, NEW, OLD
from tests.schemas.sources.rows import HEX, UID, finding_of
from tests.schemas.sources.test_aws_cloudtrail import CALL
from tests.schemas.sources.test_gcp_auditlog import METHOD
from tests.schemas.sources.test_k8s_audit import VERB
from tests.schemas.sources.test_okta import CLIENT, OKTA
from tests.schemas.sources.test_syscall_container import CONTAINER

# The fields that make an observable, its value, then its path and type_id at 1.1.0, at 1.8.0 and in
# class 2001; None where the release has no such type or attribute.
Observed = tuple[str, int] | None
OBSERVABLES: list[tuple[dict[str, Any], str, Observed, Observed, Observed]] = [
    (
        {"evt.hostname": "node-1"},
        "node-1",
        ("device.hostname", 1),
        ("device.hostname", 1),
        ("metadata.loggers[].device.hostname", 1),
    ),
    (
        {"fd.sip": "10.0.0.1", "fd.sip.name": "db.example.com"},
        "db.example.com",
        ("evidences[].dst_endpoint.hostname", 1),
        ("evidences[].dst_endpoint.hostname", 1),
        ("evidence.dst_endpoint.hostname", 1),
    ),
    *(
        (
            fields,
            "a.example.com",
            ("evidences[].src_endpoint.domain", 1),
            ("evidences[].src_endpoint.domain", 1),
            ("evidence.src_endpoint.domain", 1),
        )
        for fields in (
            {"ct.srcip": "a.example.com"},
            {**CLIENT, "okta.security.domain": "a.example.com"},
        )
    ),
    *(
        (
            fields,
            "203.0.113.7",
            ("evidences[].src_endpoint.ip", 2),
            ("evidences[].src_endpoint.ip", 2),
            ("evidence.src_endpoint.ip", 2),
        )
        for fields in (
            {"fd.cip": "203.0.113.7"},
            {"ka.sourceips": ["203.0.113.7"]},
            {"ct.srcip": "203.0.113.7"},
            {"gcp.callerIP": "203.0.113.7"},
            {"okta.client.ip": "203.0.113.7"},
        )
    ),
    (
        {"fd.sip": "10.0.0.1"},
        "10.0.0.1",
        ("evidences[].dst_endpoint.ip", 2),
        ("evidences[].dst_endpoint.ip", 2),
        ("evidence.dst_endpoint.ip", 2),
    ),
    (
        {"user.name": "alice"},
        "alice",
        ("actor.user.name", 4),
        ("actor.user.name", 4),
        ("process.user.name", 4),
    ),
    *(
        (
            {field: "alice"},
            "alice",
            ("evidences[].actor.user.name", 4),
            ("evidences[].actor.user.name", 4),
            ("evidence.actor.user.name", 4),
        )
        for field in ("ka.user.name", "ct.user", "gcp.user", "okta.actor.alternateid")
    ),
    (
        {"github.user": "alice"},
        "alice",
        ("evidences[].actor.user.name", 4),
        ("evidences[].actor.user.name", 4),
        ("evidence.actor.user.name", 4),
    ),
    *(
        (
            fields,
            "shadow",
            ("evidences[].file.name", 7),
            ("evidences[].file.name", 7),
            (f"evidence.{where}file.name", 7),
        )
        for fields, where in (
            ({"fd.name": "/etc/shadow"}, ""),
            ({"github.workflow.filename": "etc/shadow"}, ""),
            ({"fs.path.source": "/etc/shadow", "fs.path.target": "/x"}, "others[]."),
            ({"github.diff.committed_secrets.files": ["a", "etc/shadow"]}, "others[]."),
        )
    ),
    (
        {**CONTAINER, "container.image.digest": f"sha256:{HEX}"},
        HEX,
        ("evidences[].process.container.hash.value", 8),
        ("evidences[].container.hash.value", 8),
        ("evidence.process.container.hash.value", 8),
    ),
    (
        {"proc.name": "sh"},
        "sh",
        ("evidences[].process.name", 9),
        ("evidences[].process.name", 9),
        ("process.name", 9),
    ),
    *(
        (fields, uid, ("resources[].uid", 10), ("resources[].uid", 10), ("resources[].uid", 10))
        for fields, uid in (
            ({"k8s.pod.uid": UID}, UID),
            ({"k8smeta.deployment.uid": UID}, UID),
            ({"s3.bucket": "b", "s3.key": "k"}, "arn:aws:s3:::b/k"),
            ({"okta.target.group.id": "g"}, "g"),
            ({"github.repo.url": "https://g/r"}, "https://g/r"),
        )
    ),
    (
        {"okta.target.user.id": "00u"},
        "00u",
        ("resources[].uid", 10),
        None,
        ("resources[].uid", 10),
    ),
    ({"proc.cmdline": "sh -i"}, "sh -i", None, ("evidences[].process.cmd_line", 13), None),
    ({"proc.pid": 7}, "7", None, ("evidences[].process.pid", 15), None),
    *(
        (fields, "curl", None, ("evidences[].http_request.user_agent", 16), None)
        for fields in (
            {**VERB, "ka.useragent": "curl"},
            {**CALL, "ct.useragent": "curl"},
            {**METHOD, "gcp.userAgent": "curl"},
            {**OKTA, "okta.useragent.raw": "curl"},
        )
    ),
    *(
        ({field: "123456789012"}, "123456789012", None, ("cloud.account.uid", 35), None)
        for field in ("ct.recipientaccountid", "gcp.projectId")
    ),
    ({"proc.exepath": "/bin/sh"}, "/bin/sh", None, ("evidences[].process.file.path", 45), None),
    *(
        (fields, "/etc/shadow", None, ("evidences[].file.path", 45), None)
        for fields in (
            {"fd.name": "/etc/shadow"},
            {"fs.path.source": "/etc/shadow"},
            {"github.workflow.filename": "/etc/shadow"},
            {"github.diff.committed_secrets.files": ["a", "/etc/shadow"]},
        )
    ),
    (
        CONTAINER,
        "3ad7b26ded6d",
        ("evidences[].process.container.uid", 99),
        ("evidences[].container.uid", 99),
        ("evidence.process.container.uid", 99),
    ),
]


@pytest.mark.parametrize(
    ("fields", "value", "old", "new", "legacy"),
    OBSERVABLES,
    ids=[f"{row[1]}-{'-'.join(row[0])}"[:70] for row in OBSERVABLES],
)
def test_a_value_to_search_for_is_an_observable(
    fields: dict[str, Any], value: str, old: Observed, new: Observed, legacy: Observed
) -> None:
    for mapping, expected in ((OLD, old), (NEW, new), (LEGACY, legacy)):
        finding = finding_of(mapping, fields)
        found = [
            (each["name"], each["type_id"])
            for each in finding.get("observables", [])
            if each["value"] == value
        ]
        assert found == ([] if expected is None else [expected]), finding


def test_1_3_0_has_the_observables_that_ocsf_had_by_then() -> None:
    fields = {"proc.cmdline": "sh -c id", "proc.pid": 7, "proc.exepath": "/bin/sh"}
    found = {
        mapping: {each["type_id"] for each in finding_of(mapping, fields).get("observables", ())}
        for mapping in (OLD, MIDDLE, NEW)
    }

    assert list(found.values()) == [set(), {13, 15}, {13, 15, 45}]
