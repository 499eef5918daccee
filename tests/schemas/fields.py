"""Every field that Falco can print, and random alerts for the property tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

some = settings(max_examples=20)
many = settings(some, max_examples=120)
thousands = settings(some, max_examples=4000)

NOW = 1_783_198_004_180
"""The time of `PLAIN`, in milliseconds."""

SOURCES = (
    "syscall",
    "syscalls",
    "k8s_audit",
    "k8s_audit_eks",
    "aws_cloudtrail",
    "gcp_auditlog",
    "okta",
    "github",
    "internal",
    "azure_platform",
)
PRIORITIES = (
    "Emergency",
    "Alert",
    "Critical",
    "Error",
    "Warning",
    "Notice",
    "Informational",
    "info",
    "Debug",
    "Sometime",
)
TAGS = (
    "container",
    "host",
    "mitre_execution",
    "mitre_defense_evasion",
    "mitre_data_destruction",
    "maturity_stable",
    "maturity_sandbox",
    "T1059",
    "T1059.004",
    "T1562-impair-defenses",
    "TA0011",
    "TA0005-defense-evasion",
    "T9999",
    "TA9999",
    "PCI_DSS_10.2.5",
)

# Fields that take an argument, as rules print them and as falcosidekick renames them.
_ARGUMENTS = (
    "evt.arg.path",
    "evt.arg.flags",
    "evt.arg[0]",
    "evt.arg_1",
    "evt.rawarg.res",
    "proc.aname[0]",
    "proc.aname[1]",
    "proc.aname[2]",
    "proc.aname[3]",
    "proc.aname_4",
    "proc.aexepath[2]",
    "proc.acmdline[2]",
    "proc.apid[2]",
    "proc.aenv[2]",
    "proc.env[PATH]",
    "proc.hash.sha256",
    "proc.hash.md5",
    "fd.hash.sha1",
    "container.label.app",
    "container.mount.dest[/proc]",
    "ka.uri.param[command]",
    "ka.req.binding.subjects[0]",
    "ct.request[name]",
    "json.value[/a/b]",
    "my_custom_field",
    "raw_data",
    "message",
    "tags",
)


@cache
def field_types() -> dict[str, tuple[str, str]]:
    """Return field → (event source, Falco's type)."""
    table = {}
    for line in Path(__file__).with_name("falco_fields.txt").read_text().splitlines():
        if not line.startswith("#"):
            kind, _, names = line.partition(": ")
            source, type_ = kind.split()
            table.update(dict.fromkeys(names.split(), (source, type_)))
    return table | dict.fromkeys(_ARGUMENTS, ("*", "string"))


# Texts that look like something else.
TRICKY = (
    "",
    "<NA>",
    "host",
    "root",
    "0",
    "-1",
    "/etc/shadow",
    "/",
    "//",
    "a/",
    "relative/path",
    "10.0.0.5:39526->10.0.0.1:443",
    "::1:22->::ffff:10.0.0.1:443",
    "10.0.0.5:99999->10.0.0.1:443",
    "ffff9d->ffff9e /run/containerd.sock",
    "10.0.0.7",
    "fe80::1",
    "fe80::1%eth0",
    "2001:db8::ff00:42:8329",
    "999.1.1.1",
    "ipv4",
    "ipv6",
    "unix",
    "file",
    "pipe",
    "true",
    "false",
    "tcp",
    "node_1",
    "node-1.example.com",
    "alice@example.com",
    "autoscaling.amazonaws.com",
    "3e41dc6b-08a8-44db-bc2a-3724b18ab19a",
    "sha256:" + "ab" * 32,
    "d41d8cd98f00b204e9800998ecf8427e",
    "(a,b)",
    "a, b",
    '["a", "b"]',
    '[{"granted": true, "permission": "storage.objects.get"}]',
    '{"k": "v"}',
    "[" * 200,
    "48.85",
    "nan",
    "system:serviceaccount:ci:deployer",
    "Root",
    "1783198004180672852",
    'say "hi" \\ there\n\t\0',
    "żółw 🐢",
    "\ufffd",
    "[...]",
)

_texts = st.one_of(
    st.sampled_from(TRICKY),
    st.text(max_size=20),
)
_integers = st.one_of(
    st.sampled_from((0, 1, -1, 22, 65_535, 65_536, 2**31 - 1, 2**31, -(2**31), 2**32 - 1)),
    st.sampled_from((2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**40, 1_783_198_004_180_672_852)),
    st.integers(),
)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_scalars = st.one_of(_texts, _integers, _floats, st.booleans(), st.none())
_any_value = st.one_of(
    _scalars,
    st.lists(_scalars, max_size=3),
    st.dictionaries(st.text(max_size=4), _scalars, max_size=2),
)


def value_of(type_: str) -> st.SearchStrategy[Any]:
    """Generate a value as Falco prints it for a field of this type."""
    if type_ in ("uint64", "int64", "uint32", "int32", "int16", "port", "reltime", "abstime"):
        return _integers
    if type_ == "bool":
        return st.booleans()
    if type_ == "double":
        return _floats
    if type_ == "string":
        return st.one_of(_texts, st.lists(_texts, max_size=3))
    return _texts


@st.composite
def output_fields(draw: st.DrawFn) -> dict[str, Any]:
    """Generate fields of one source or of any, each with a value of its type or of any type."""
    table = field_types()
    source = draw(st.sampled_from([*sorted({source for source, _ in table.values()}), ""]))
    names = [name for name, (its, _) in table.items() if source in ("", its) or its == "*"]
    fields = {}
    for name in draw(st.lists(st.sampled_from(names), max_size=30, unique=True)):
        right = value_of(table[name][1])
        fields[name] = draw(right if draw(st.integers(0, 4)) else _any_value)
    return fields


@st.composite
def alerts(draw: st.DrawFn) -> dict[str, Any]:
    """Generate alerts as JSON objects, in any of Falco's and falcosidekick's forms."""
    alert: dict[str, Any] = {
        "rule": draw(st.sampled_from(("Terminal shell in container", "Falco internal: drop", "ż"))),
        "priority": draw(st.sampled_from(PRIORITIES)),
        "time": draw(
            st.sampled_from(
                (
                    "2026-07-04T20:46:44.180672852Z",
                    "2026-07-04T20:46:44.18Z",
                    "2026-07-04T20:46:44Z",
                    "2026-07-04T22:46:44.000000001+02:00",
                    "0001-01-01T00:00:00.000000000Z",
                    "9999-12-31T23:59:59.999999999Z",
                )
            )
        ),
    }
    optional = {
        "uuid": st.uuids().map(str),
        "hostname": st.sampled_from(("node-1", "node_1", "ip-10-0-0-1.ec2.internal", "")),
        "output": _texts,
        "message": _texts,
        "source": st.sampled_from(SOURCES),
        "tags": st.lists(st.sampled_from(TAGS), max_size=6, unique=True),
        "output_fields": output_fields(),
    }
    for key, strategy in optional.items():
        if draw(st.integers(0, 5)):
            alert[key] = draw(strategy)
    return dict(draw(st.permutations(list(alert.items()))))


def marked(field: str, type_: str, number: int) -> Any:
    """Return a value for `field`, of its type, that nothing else in the alert has."""
    mark = f"q{number}z"
    if field.endswith((".ts", ".mtime")):
        return 1_700_000_000_000_000_000 + number * 1_000_000
    if "duration" in field:
        return number * 1_000_000_000
    if type_ in ("port", "bool", "double"):
        return {"port": 20_000 + number, "bool": bool(number % 2), "double": number + 0.5}[type_]
    if type_ not in ("charbuf", "string", "dyn", "bytebuf", "ipaddr", "ipnet"):
        return 1_000_000 + number
    if type_ == "ipaddr" or field.lower().endswith(("ip", "sourceips")):
        return f"10.7.{number >> 8}.{number & 255}"
    shape = number % 4
    if field.endswith(("path", "uri")) or (field in ("fd.name", "proc.exe") and shape % 2):
        return f"/{mark}/file"
    if field.endswith("digest"):
        return f"sha256:{number:064x}"
    return [mark, f"{mark},{mark}b", f"{mark}.example.com", f"{mark}@example.com"][shape]


def traces(field: str, item: Any) -> list[str]:
    """Return texts; a finding with the field's value contains at least one of them."""
    if isinstance(item, bool):
        return [
            f'"{field}":"{str(item).lower()}"',
            f'"{field}":{str(item).lower()}',
            "direction_id",
        ]
    if isinstance(item, str):
        parts = item.removeprefix("sha256:").split(",")
        return [json.dumps(item)[1:-1], *parts[:1]]
    if "duration" in field:
        return [str(NOW - item // 1_000_000), str(item)]
    return [str(item), str(item // 1_000_000) if isinstance(item, int) else str(item)]
