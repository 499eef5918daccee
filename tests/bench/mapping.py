"""CPU per alert of decoding and mapping: `python -m tests.bench.mapping`.

The alerts are syscall alerts of 35 fields and about 1.3 KB in Falco's native form, from 40 pods and
4 rules, each with its own time, pids and command line. Prints the median and the minimum of several
runs, in microseconds of CPU per alert.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from schemas.falco.alert import decode
from schemas.mapping import Finding, Mapping, Options
from tests.schemas.kinds import KINDS

RULES = (
    ("Terminal shell in container", "Notice", ["T1059", "container", "maturity_stable"], "bash"),
    ("Read sensitive file untrusted", "Warning", ["T1555", "filesystem", "host"], "cat"),
    ("Drop and execute new binary", "Critical", ["PCI_DSS_11.5.1", "TA0003"], "kdevtmpfsi"),
    ("Launch Remote File Copy Tools", "Notice", ["T1020", "mitre_exfiltration"], "scp"),
)


def alert(number: int) -> dict[str, Any]:
    """Return the alert of this number: the same every time."""
    rule, priority, tags, program = RULES[number % len(RULES)]
    pod = number % 40
    command = f"{program} -c /opt/job-{number}.sh"
    nanoseconds = 1_795_442_607_000_000_000 + number * 1_000_037
    return {
        "hostname": f"ip-10-0-12-{pod % 8}.ec2.internal",
        "output": f"14:03:27.{number:09d}: {priority} {rule} | user=root process={program}"
        f" command={command} terminal=34816 container_id=3ad7b26d{pod:04x}",
        "output_fields": {
            "container.full_id": f"3ad7b26d{pod:04x}8e7b23da7d48fe889434573036c27ae5a74837233de4",
            "container.id": f"3ad7b26d{pod:04x}",
            "container.image.repository": "docker.io/library/nginx",
            "container.image.tag": "1.27",
            "container.name": "web",
            "container.privileged": False,
            "container.type": "containerd",
            "evt.arg.flags": "EXE_WRITABLE|EXE_LOWER_LAYER",
            "evt.res": "SUCCESS",
            "evt.time": nanoseconds,
            "evt.type": "execve",
            "fd.name": None,
            "group.gid": 0,
            "group.name": "root",
            "k8s.ns.name": "shop",
            "k8s.pod.name": f"web-7d9c5b8f6d-{pod:05x}",
            "k8s.pod.uid": f"3e41dc6b-08a8-44db-bc2a-3724b18a{pod:04x}",
            "proc.aname[2]": "containerd-shim",
            "proc.cmdline": command,
            "proc.cwd": "/root/",
            "proc.exe": program,
            "proc.exepath": f"/usr/bin/{program}",
            "proc.is_exe_upper_layer": False,
            "proc.name": program,
            "proc.pcmdline": "runc init",
            "proc.pexepath": "/usr/bin/runc",
            "proc.pid": 20_000 + number,
            "proc.pname": "runc",
            "proc.ppid": 19_999 + number,
            "proc.tty": 34816,
            "proc.vpid": 57 + number,
            "user.loginname": "<NA>",
            "user.loginuid": -1,
            "user.name": "root",
            "user.uid": 0,
        },
        "priority": priority,
        "rule": rule,
        "source": "syscall",
        "tags": tags,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9))
        + f".{nanoseconds % 10**9:09d}Z",
    }


def measure(
    function: Callable[[Any], Any], items: Iterable[Any], runs: int = 9
) -> tuple[float, float]:
    """Return microseconds of CPU per item: the median and the least of `runs` runs."""
    items = list(items)
    taken = []
    for _ in range(runs):
        started = time.process_time()
        for item in items:
            function(item)
        taken.append((time.process_time() - started) / len(items) * 1e6)
    return median(taken), min(taken)


def figures(count: int = 4_000) -> dict[str, tuple[float, float]]:
    """Return the cost of decoding alone, and of mapping with decoding and encoding, by class."""
    values = [json.dumps(alert(n), separators=(",", ":")).encode() for n in range(count)]
    found = {"decode alone": measure(decode, [value.decode() for value in values])}
    for event_class, version in KINDS:
        mapping = Mapping(Options(event_class=event_class, ocsf_version=version))

        def record(value: bytes, mapping: Mapping = mapping) -> None:
            assert isinstance(mapping.map(value, 1_795_442_608_000), Finding)

        found[f"{event_class} {version}"] = measure(record, values)
    return found


def main() -> None:
    """Print the figures."""
    print("syscall alerts of 35 fields; µs of CPU per alert: median (least)")
    for name, (middle, least) in figures().items():
        print(f"  {name:24} {middle:6.1f} ({least:.1f})")


if __name__ == "__main__":
    main()
