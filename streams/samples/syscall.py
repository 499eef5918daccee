"""Scenes of the syscall source: where the stock rules fire, and the values they print."""

import random
from collections.abc import Iterator
from pathlib import PurePosixPath

from streams.samples.scenes import Scene, Value
from streams.samples.syscall_rules import CASES, UPPER, Act, Case
from streams.samples.world import Node, Pod, World

# What a site adds with append_output; the other nodes print the stock fields only.
EXTRA = (
    "container.id", "container.image.repository", "container.image.tag", "container.name",
    "container.privileged", "evt.res", "group.gid", "group.name", "k8s.ns.name", "k8s.pod.name",
    "k8s.pod.uid", "proc.aname[2]", "proc.cwd", "proc.exe", "proc.is_exe_upper_layer",
    "proc.pcmdline", "proc.pexepath", "proc.pid", "proc.pid.ts", "proc.ppid", "proc.sid",
    "proc.vpid", "thread.tid", "user.loginname",
)  # fmt: skip


def scenes(world: World, rng: random.Random) -> Iterator[Scene]:
    """Yield every rule at as many places as its weight says, drawn from `world`."""
    for case in CASES:
        places = _places(world, case.where)
        for i in range(case.weight):
            yield scene(case, case.acts[i % len(case.acts)], rng.choice(places))


def _places(world: World, where: str) -> list[Pod | Node]:
    if where == "host":
        return [*world.hosts, *world.nodes[:3]]
    if where == "privileged":
        return [pod for pod in world.pods if pod.workload.privileged]
    return [*world.containers, *(world.hosts if where == "anywhere" else ())]


def scene(case: Case, act: Act, place: Pod | Node) -> Scene:
    """Return a scene with a value for every field of the rule's output and of `EXTRA`."""
    node = place.node if isinstance(place, Pod) else place
    server = place.workload.server if isinstance(place, Pod) else "agent"
    exe = act.exe.format(exe=f"/usr/bin/{server}")
    command = act.command.replace("{server}", server)
    parent = act.parent.replace("{server}", server)
    address = place.ip
    values: dict[str, Value] = {
        **_process(exe, command, parent, act, isinstance(place, Pod)),
        **_user(place, root=act.root),
        **_container(place),
    }
    for name, value in act.more.items():
        values[name] = value.replace("{ip}", address) if isinstance(value, str) else value
    return Scene(case.rule, "syscall", node.name, node.release, values, EXTRA)


def _process(exe: str, command: str, parent: str, act: Act, contained: bool) -> dict[str, Value]:
    name, pname = (PurePosixPath(line.split()[0].rstrip(":")).name[:15] for line in (exe, parent))
    above = ["containerd-shim", "systemd", None, None]
    if not contained:
        above = ["sshd", "sshd", "systemd", None] if act.tty else ["systemd", None, None, None]
    return {
        "evt.type": "execve", "evt.res": "SUCCESS", "evt.arg.flags": "EXE_WRITABLE|EXE_LOWER_LAYER",
        "fd.name": None, "fd.lport": None, "fd.rport": None, "fd.type": None, "fd.l4proto": None,
        "proc.name": name, "proc.exe": command.split()[0], "proc.exepath": exe,
        "proc.cmdline": command, "proc.cwd": "/",
        "proc.pname": pname, "proc.pcmdline": parent, "proc.pexe": parent.split()[0],
        "proc.pexepath": f"/usr/bin/{pname}", "proc.sname": "sh", "proc.aexepath[2]": None,
        "proc.tty": act.tty, "proc.sid": 1 if contained else "~ppid~", "proc.pid": "~pid~",
        "proc.ppid": "~ppid~", "proc.vpid": "~vpid~" if contained else "~pid~",
        "thread.tid": "~pid~", "proc.pid.ts": "~start~", "proc.exe_ino.ctime": "~start~",
        "proc.is_exe_upper_layer": act.more.get("evt.arg.flags") == UPPER["evt.arg.flags"],
        "proc.exe_ino.mtime": "~start~", "proc.exe_ino.ctime_duration_proc_start": 38940863441,
        **{f"proc.aname[{i}]": ancestor for i, ancestor in enumerate(above, start=2)},
    }  # fmt: skip


def _user(place: Pod | Node, *, root: bool) -> dict[str, Value]:
    if root:
        user, uid = "root", 0
    elif isinstance(place, Pod):
        user, uid = place.workload.user, place.workload.uid
    else:
        user, uid = "deploy", 1000
    login = -1 if isinstance(place, Pod) else 1000
    return {
        "user.name": user, "user.uid": uid, "user.loginuid": login, "group.gid": uid,
        "user.loginname": "<NA>" if login < 0 else "deploy", "group.name": user,
    }  # fmt: skip


def _container(place: Pod | Node) -> dict[str, Value]:
    if isinstance(place, Node):
        return {
            "container.id": "host", "container.name": "host", "container.start_ts": None,
            "container.image.repository": None, "container.image.tag": None,
            "container.privileged": None, "k8s.ns.name": None, "k8s.pod.name": None,
            "k8s.pod.uid": None,
        }  # fmt: skip
    return {
        "container.id": place.container_id, "container.name": place.container_name,
        "container.start_ts": "~born~",
        "container.image.repository": place.workload.repository,
        "container.image.tag": place.workload.tag,
        "container.privileged": place.workload.privileged,
        "k8s.ns.name": place.namespace, "k8s.pod.name": place.name, "k8s.pod.uid": place.uid,
    }  # fmt: skip
