"""How alerts are written: by Falco itself, by falcosidekick, and by Falco before 0.32.

A scene is rendered to a bytes template once; filling its slots makes the alert. The two programs
differ in key order, escapes, the uuid, the time's trailing zeros and the keys they leave out.

A scene's release is the setup of its Falco: `stock` prints the container in every output;
`iso` does too and writes ISO 8601 times; `rich` adds many fields, but not to the output; `old` is
a version without hostname, source and tags.
"""

import re
from collections.abc import Mapping

import msgspec

from streams.samples.scenes import INTEGER_SLOTS, Scene, Value

FORMS = ("native", "falcosidekick")

_FIELD = re.compile(r"%([a-z][a-zA-Z0-9_.]*(?:\[[^\]]*\])?)")
_SLOT = re.compile(rb'"~(\w+)~"|~(\w+)~')
_GO_ESCAPES = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
# falcosidekick shortens long strings when a payload is larger than Kafka's former limit.
_PAYLOAD_LIMIT, _STRING_LIMIT = 4096, 512
_CONTAINER = (
    " container_id=%container.id container_name=%container.name"
    " container_image_repository=%container.image.repository"
    " container_image_tag=%container.image.tag"
    " k8s_pod_name=%k8s.pod.name k8s_ns_name=%k8s.ns.name"
)
_OLD_CONTAINER = (
    " k8s.ns=%k8s.ns.name k8s.pod=%k8s.pod.name container=%container.id"
    " image=%container.image.repository:%container.image.tag)"
)
_OLD_WORDS = frozenset(
    {"file", "connection", "user", "user_loginuid", "parent", "command", "terminal", "gparent"}
)


def template(scene: Scene, form: str) -> bytes:
    """Return the alert as bytes for `%`: each slot of the scene becomes a `%(name)…`."""
    write = _native if form == "native" else _falcosidekick
    return _SLOT.sub(_placeholder, write(scene).replace(b"%", b"%%"))


def _placeholder(match: re.Match[bytes]) -> bytes:
    quoted, bare = match.groups()
    name: bytes = quoted or bare
    if name.decode() in INTEGER_SLOTS:
        return b"%%(%b)d" % name
    return b'"%%(%b)b"' % name if quoted else b"%%(%b)b" % name


def fields(scene: Scene) -> dict[str, Value]:
    """Return the output fields, sorted: the output's, the extra ones, and the event's time."""
    if scene.source == "internal":
        return dict(sorted(scene.values.items()))
    names = set(_FIELD.findall(_format(scene)))
    if scene.release == "rich":
        names.update(scene.extra)
    values = {name: scene.values.get(name) for name in names}
    values["evt.time.iso8601" if scene.release == "iso" else "evt.time"] = "~ns~"
    return dict(sorted(values.items()))


def _output(scene: Scene) -> str:
    if scene.source == "internal":
        return scene.rule.output
    text = _FIELD.sub(lambda match: _text(scene.values.get(match[1])), _format(scene))
    clock = "~iso~" if scene.release == "iso" else "~clock~"
    return f"{clock}: {scene.rule.priority} {text}"


def _format(scene: Scene) -> str:
    if scene.source != "syscall" or scene.release == "rich":
        return scene.rule.output
    if scene.release == "old":
        return _old_format(scene.rule.output)
    return scene.rule.output + _CONTAINER


def _old_format(text: str) -> str:
    sentence, pairs = text.split(" | ")
    own = [pair for pair in pairs.split() if pair.split("=")[0] in _OLD_WORDS]
    return f"{sentence} ({' '.join(own)}{_OLD_CONTAINER}"


def _text(value: Value) -> str:
    if value is None:
        return "<NA>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"({','.join(value)})"
    return str(value)


def _native(scene: Scene) -> bytes:
    rule, output = scene.rule, _output(scene)
    if scene.release == "old":
        head = _json(
            {"output": output, "priority": rule.priority, "rule": rule.name, "time": "~time~"}
        )
        return head[:-1] + b', "output_fields": ' + _json(fields(scene)) + b"}"
    tags = {} if scene.source == "internal" else {"tags": rule.tags}
    return _json(
        {"hostname": scene.hostname, "output": output, "output_fields": fields(scene),
         "priority": rule.priority, "rule": rule.name, "source": scene.source, **tags,
         "time": "~time~"}
    )  # fmt: skip


def _falcosidekick(scene: Scene) -> bytes:
    output, values = _output(scene), fields(scene)
    text = _payload(scene, output, values)
    return text if len(text) <= _PAYLOAD_LIMIT else _payload(scene, *_cut(output, values))


def _payload(scene: Scene, output: str, values: Mapping[str, Value]) -> bytes:
    rule, old = scene.rule, scene.release == "old"
    document: dict[str, object] = {
        "uuid": "~uuid~", "output": output, "priority": rule.priority, "rule": rule.name,
        "time": "~trimmed~", "output_fields": values, "source": "syscalls" if old else scene.source,
    }  # fmt: skip
    if rule.tags and not old:
        document["tags"] = rule.tags
    if not old:
        document["hostname"] = scene.hostname
    text = _json(document)
    for character, escape in _GO_ESCAPES:
        text = text.replace(character, escape)
    return text


def _cut(output: str, values: Mapping[str, Value]) -> tuple[str, Mapping[str, Value]]:
    shorter = dict(values)
    for name, value in values.items():
        if isinstance(value, str) and len(value) > _STRING_LIMIT:
            shorter[name] = cut = value[: _STRING_LIMIT - 5] + "[...]"
            output = output.replace(value, cut)
    return output, shorter


def _json(document: object) -> bytes:
    return msgspec.json.encode(document)
