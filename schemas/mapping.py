"""A Kafka record's value → an OCSF finding: the entry point of `schemas`.

Owns what a record becomes: a `Finding`, a `Reject` with its reason, or `Filtered`. Total and pure:
`Mapping.map` never raises on input, and its result depends only on the value, its timestamp and the
options; the caches only speed it up. After a crash there is nothing to recover.

Before OCSF 1.4 a string has at most 65,535 characters. A longer one goes to `unmapped` in full: a
field under its own name, the raw alert as `raw_data`. A rule's name that long is a reject.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple

import msgspec

from schemas.classes import detection_finding, security_finding
from schemas.classes.envelope import Product, RuleKey, hostname_of, quote
from schemas.falco.alert import Alert, NotAnAlertError, read, shorten, spare_key
from schemas.falco.identity import uuid5_of
from schemas.falco.moment import Moment, of_milliseconds, of_nanoseconds, parse
from schemas.falco.values import EMPTY
from schemas.memory import Store, remembered, weigh
from schemas.ocsf import columns as tables
from schemas.ocsf.parts import Own, joined, parsed, select, structures
from schemas.ocsf.releases import INT64, PRIORITIES, RELEASES
from schemas.slots import COLUMNS, Slots, Template, Templates, has_slots
from schemas.sources.draft import Draft, Row
from schemas.sources.dropping import Drop, Dropping, dropped_by
from schemas.sources.place import NOTHING, NOWHERE, Custom, OfRule, Place, check
from schemas.sources.scene import ROWS, TIMES, Scene, Shape, as_dotted, present

MAPPING_VERSION: Final = "4"
"""Increment it whenever a value maps to something else; it is part of `Mapping.version`."""

CLASSES: Final = {"detection_finding": ("1.1.0", "1.3.0", "1.8.0"), "security_finding": ("1.1.0",)}
"""The event classes that findings may have, and the OCSF versions of each."""

_RANKS: Final = {name: rank for rank, name in enumerate(PRIORITIES)} | {"info": 6}

# The most bytes that a mapping caches, so that memory stays bounded whatever comes in.
_SHAPES_BYTES: Final = 8 << 20
_RULES_BYTES: Final = 8 << 20
_SCENES_BYTES: Final = 24 << 20
_SCENE_BYTES: Final = 3000
"""The size of a scene's objects without their texts."""
_FIELD_BYTES: Final = 700
"""The size of a shape for each of its fields, without the name."""
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,2}-\d{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that decide what findings look like."""

    region: str = "us-east-1"
    """The region in the object's key; not checked here."""
    account_id: str = "000000000000"
    event_class: str = "detection_finding"
    """`detection_finding` (2004) or `security_finding` (2001)."""
    ocsf_version: str = "1.1.0"
    """`1.1.0`; for `detection_finding` also `1.3.0` and `1.8.0`."""
    minimum_priority: str = "debug"
    """Alerts below it are filtered; alerts with an unknown priority never are."""
    location: str = "settings"
    """`alert`: use the account and region that the alert names, if they are valid."""
    product_version: str | None = None
    tenant_uid: str | None = None
    place: Place = NOWHERE
    """Where Falco runs, for findings that do not say it."""
    drop: tuple[Drop, ...] = ()
    """Alerts that one of these rules describes are filtered."""
    fields: tuple[tuple[str, str], ...] = ()
    """Custom fields, each with its place; see `schemas.sources.place.TARGETS`."""


class Finding(NamedTuple):
    """What staging stores for one alert."""

    time: int
    """Milliseconds since the epoch."""
    region: str
    account_id: str
    event_day: str
    """The alert's own UTC day: yyyymmdd."""
    rule: str
    """JSON that all findings of a rule share. See `schemas.ocsf.parts` for the three parts."""
    scene: str
    """JSON shared by findings with the same host, container, user and program."""
    body: str
    """JSON of this finding alone, without `raw_data` and `unmapped`."""
    raw_data: str
    """The record's value exactly as received."""
    unmapped: str
    """A JSON object of strings; `{}` if nothing is unmapped."""
    own: Own = Own()


class Reject(NamedTuple):
    """Why a record cannot become a finding, in a sentence."""

    reason: str


class Filtered(NamedTuple):
    """The settings do not keep the alert."""

    by: str
    """`minimum_priority`, or the conditions of the rule that drops it."""
    rule: str
    """The alert's own rule."""


SceneKey = tuple[Shape, tuple[Any, ...], str, str | None]
"""The shape, the values of its repeating fields, the source and the host."""

_decode = msgspec.json.Decoder().decode
_NO_SLOTS: Final = (None,) * len(COLUMNS)


class Mapping:
    """The mapping for one set of options. Safe to share between threads."""

    def __init__(self, options: Options) -> None:
        """Raise ValueError, which says what to set instead, for options that are not valid."""
        _check(options)
        self.options = options
        self._release = RELEASES[options.ocsf_version]
        made: Any = detection_finding
        if options.event_class == "security_finding":
            self._release = replace(self._release, names=security_finding.NAMES)
            made = security_finding
        self._class = made
        self._has_slots = made is detection_finding
        self._product = Product(options.product_version, options.tenant_uid)
        self._custom = Custom(options.place, options.fields, self._release)
        self._is_custom = bool(self._custom)
        self._minimum = _RANKS[options.minimum_priority.lower()]
        self._filters = self._minimum < _RANKS["debug"]
        self._dropping = Dropping(options.drop)
        self._drops = bool(self._dropping)
        self._here = (options.region, options.account_id)
        self._locates = options.location == "alert"
        self._shapes = Store[tuple[str, ...], tuple[Shape, Slots | None]](_SHAPES_BYTES)
        self._templates = Templates()
        self._rules = Store[tuple[Any, ...], str](_RULES_BYTES)
        self._scenes = Store[SceneKey, Scene](_SCENES_BYTES)
        self.columns: Dictionary[str, str] = tables.columns(
            options.event_class, options.ocsf_version
        )
        self.version = _version(options)

    def map(self, value: bytes | None, timestamp: int) -> Finding | Reject | Filtered:
        """Return what a record becomes; `timestamp` is Kafka's, in milliseconds, or -1 for none."""
        if not value:
            return Reject("The value is empty.")
        try:
            return self._map(value, timestamp)
        except NotAnAlertError as error:
            return Reject(str(error))
        except Exception as error:  # A record is never fatal, even if the mapping has a bug.
            return Reject(f"The mapping failed; please report it: {error!r}")
        finally:
            remembered.trim()

    def _map(self, value: bytes, timestamp: int) -> Finding | Filtered:
        raw, alert = read(value)
        if self._filters and _RANKS.get(alert.priority.lower(), 0) > self._minimum:
            return Filtered("minimum_priority", alert.rule)
        if self._drops and (by := self._dropped_by(alert)) is not None:
            return Filtered(by, alert.rule)
        moment = parse(alert.time) if alert.time else None
        if moment is None:
            moment = _moment_of_fields(alert)
        if moment is None:
            raise NotAnAlertError("The alert has no valid time.")
        long: dict[str, str] = {}
        limit = self._release.text_limit
        if limit is not None and len(raw) > limit:
            long = shorten(alert, limit)
            long[spare_key("raw_data", long, alert.output_fields or ())] = raw
        uid = alert.uuid or uuid5_of(
            alert.hostname or "", alert.time or "", alert.rule, alert.output or raw
        )
        template, slots = self._parts(alert, raw, moment, uid)
        region, account_id = self._here
        if self._locates:
            region, account_id = self._named_by(alert.output_fields or {})
        rule, scene, body, unmapped = template
        if long:
            unmapped = quote(_decode(unmapped) | long)
        own = Own(
            uid,
            alert.time or None,
            timestamp if timestamp >= 0 else None,
            len(value) if self._release.modern else None,
            alert.message or alert.output or None,
            *slots,
        )
        return Finding(
            moment.ms, region, account_id, moment.day, rule, scene, body, raw, unmapped, own
        )

    def finding(self, value: bytes | None, timestamp: int) -> dict[str, Any] | Reject | Filtered:
        """Return the complete OCSF finding as plain data; see `map`."""
        found = self.map(value, timestamp)
        if not isinstance(found, Finding):
            return found
        time = {"time": found.time, "time_dt": of_milliseconds(found.time)}
        rule, scene, body = map(_decode, (found.rule, found.scene, found.body))
        finding = joined(
            self.options.event_class, self._release.version, rule, scene, body | time, found.own
        )
        limit = self._release.text_limit
        if limit is None or len(found.raw_data) <= limit:
            finding["raw_data"] = found.raw_data
        unmapped = _decode(found.unmapped)
        if unmapped:
            finding["unmapped"] = unmapped
        return {name: finding[name] for name in self.columns if name in finding}

    def custom_rows(self, field: str) -> list[Row]:
        """Return where the settings send a field, as rows like the mapping's own."""
        return self._custom.rows(field)

    def select(self, rows: str, *, more: bool = True) -> str:
        """Return SQL that turns `rows` into the OCSF columns; see `parts.select`."""
        options = self.options
        limit = self._release.text_limit
        return select(options.event_class, options.ocsf_version, limit, rows, more=more)

    def structure(self, part: str, *, more: bool) -> str:
        """Return the structure of one of `parts.SHARED`; see `parts.structures`."""
        options = self.options
        return structures(options.event_class, options.ocsf_version, more=more)[part]

    def parsed(self, part: str, text: str, *, more: bool = True) -> str:
        """Return SQL that reads one of `parts.SHARED` from a column; see `parts.parsed`."""
        options = self.options
        return parsed(options.event_class, options.ocsf_version, part, text, more=more)

    def _parts(
        self, alert: Alert, raw: str, moment: Moment, uid: str
    ) -> tuple[Template, Sequence[Any]]:
        """Return the parts of a finding, remembered or built now, and the values of its slots."""
        alert.output_fields, shape, slots = self._named(alert)
        read = None if slots is None else slots.read(alert, moment, raw)
        if slots is None or read is None:
            return self._build(alert, shape, raw, moment, uid)
        values, key = read
        try:
            template = self._templates.get(key, values)
        except TypeError:  # A list or an object, which cannot be in a key.
            slots.has_lists = True
            return self._build(alert, shape, raw, moment, uid)
        if template is None:
            template, built = self._build(alert, shape, raw, moment, uid)
            self._templates.add(key, values, template, built)
            return template, built
        slots.misses = 0
        return template, values

    def _build(
        self, alert: Alert, shape: Shape, raw: str, moment: Moment, uid: str
    ) -> tuple[Template, Sequence[Any]]:
        given = alert.output_fields or {}
        release = self._release
        fields = present(given, shape.others, shape.texts)
        source = _source(alert, fields, shape)
        draft = Draft(fields, shape, source, uid, moment.ns, release.names)
        if shape.echoes:
            _drop_echoes(draft, shape.echoes, moment)
        scene = self._scene_of(given, shape, source, hostname_of(alert, fields))
        scene.begin(draft)
        for build, theirs in shape.builders:
            for name in theirs:
                if name in fields:
                    build(draft, release)
                    break
        ours = self._custom.complete(draft, scene.shared) if self._is_custom else NOTHING
        feature = fields.pop("evt.pluginname", source)
        body = self._class.body_of(alert, draft, scene, raw, release)
        profiles = self._class.profiles_of(draft, scene, release)
        version = fields.pop("falco.version", None)
        tags = alert.tags or ()
        key: Any = (alert.rule, alert.priority, source, feature, tags, profiles, version)
        if ours is not NOTHING:
            key = (*key, ours)
        rule = self._rules.get(key) or self._new_rule(key, ours)
        unmapped = quote(draft.unmapped()) if fields else "{}"
        slots = [*map(draft.own.get, COLUMNS)] if self._has_slots else _NO_SLOTS
        return Template(rule, scene.text, quote(body), unmapped), slots

    def _dropped_by(self, alert: Alert) -> str | None:
        candidates = self._dropping.candidates(alert.rule)
        if not candidates:
            return None
        given, shape, _ = self._named(alert)
        named = given.get("evt.source")
        source = _source(alert, {} if named in EMPTY else {"evt.source": named}, shape)
        return dropped_by(candidates, given, alert.tags or (), source)

    def _named(self, alert: Alert) -> tuple[dict[str, Any], Shape, Slots | None]:
        """Return the fields by Falco's own names, their shape and their slots."""
        given = alert.output_fields or {}
        shape, slots = self._shape_of(given)
        if shape.is_foreign:
            given = as_dotted(given)
            shape, slots = self._shape_of(given)
        return given, shape, slots

    def _scene_of(
        self, given: dict[str, Any], shape: Shape, source: str, hostname: str | None
    ) -> Scene:
        """Return the scene of an alert, from the cache or built now."""
        values = shape.repeating_values(given)
        key = (shape, values, source, hostname)
        try:
            scene = self._scenes.get(key)
        except TypeError:  # A list or an object, which cannot be a key.
            return self._new_scene(key)
        if scene is not None:
            for place, kind in scene.numbers:
                if values[place].__class__ is not kind:
                    return self._new_scene(key)
            return scene
        scene = self._new_scene(key)
        # 0.0 and -0.0 are equal too, and have the same class.
        if float not in map(type, values):
            # The scene's objects take about as much as its JSON, which is cached too.
            self._scenes.add(key, scene, weigh(*key[1:]) + 3 * weigh(scene.text) + _SCENE_BYTES)
        return scene

    def _shape_of(self, given: dict[str, Any]) -> tuple[Shape, Slots | None]:
        names = tuple(given)
        return self._shapes.get(names) or self._new_shape(names)

    def _new_shape(self, names: tuple[str, ...]) -> tuple[Shape, Slots | None]:
        shape = Shape(names)
        slots = Slots(shape, self._release) if self._has_slots and has_slots(shape) else None
        if self._shapes.add(names, (shape, slots), weigh(names) + _FIELD_BYTES * len(names)):
            self._scenes.clear()  # They would keep the shapes alive.
            self._templates.clear()
        return shape, slots

    def _new_scene(self, key: SceneKey) -> Scene:
        shape, values, source, hostname = key
        shared = self._custom.shared(shape, source)
        scene = Scene(values, shape, source, hostname, self._release, shared)
        scene.text = quote(self._class.scene_of(scene, self._release))
        return scene

    def _new_rule(self, key: tuple[Any, ...], ours: OfRule) -> str:
        found = RuleKey(*key[: len(RuleKey._fields)])
        made = self._class.rule_of(found, self._release, self._product)
        if ours.labels:
            made["metadata"]["labels"] = [*found.tags, *ours.labels]
        if ours.tenant_uid:
            made["metadata"]["tenant_uid"] = ours.tenant_uid
        rule = quote(made)
        self._rules.add(key, rule, weigh(key, rule))
        return rule

    def _named_by(self, given: dict[str, Any]) -> tuple[str, str]:
        """Return the region and account that an alert names, where valid, else the settings'."""
        region, account_id = self._here
        named = given.get("ct.region")
        if isinstance(named, str) and _REGION.fullmatch(named):
            region = named
        for field in ("ct.recipientaccountid", "ct.user.accountid"):
            named = given.get(field)
            if isinstance(named, str) and _ACCOUNT.fullmatch(named):
                account_id = named
                break
        return region, account_id


def _check(options: Options) -> None:
    versions = CLASSES.get(options.event_class)
    if versions is None:
        raise ValueError(
            f"Unknown event class {options.event_class!r}; choose one of {', '.join(CLASSES)}."
        )
    if options.ocsf_version not in versions:
        raise ValueError(
            f"{options.event_class} has no OCSF version {options.ocsf_version!r};"
            f" choose one of {', '.join(versions)}."
        )
    if options.minimum_priority.lower() not in _RANKS:
        raise ValueError(
            f"Unknown priority {options.minimum_priority!r}; choose one of {', '.join(PRIORITIES)}."
        )
    placed = {row.field: row.attributes for row in ROWS if row.attributes}
    check(
        options.fields,
        options.place,
        tables.paths(options.event_class, options.ocsf_version),
        placed,
    )
    if options.location not in ("settings", "alert"):
        raise ValueError(f"Unknown location {options.location!r}; choose settings or alert.")


def _version(options: Options) -> str:
    values = [getattr(options, field.name) for field in fields(options)]
    digest = hashlib.sha256(quote(values).encode()).hexdigest()[:8]
    return f"{MAPPING_VERSION}-{options.event_class}-{options.ocsf_version}-{digest}"


def _moment_of_fields(alert: Alert) -> Moment | None:
    fields = as_dotted(alert.output_fields or {})
    for field in TIMES:
        value = fields.get(field)
        if value.__class__ is int and abs(value) < 100 * INT64:
            return of_nanoseconds(value)
        if value.__class__ is str and (moment := parse(value)):
            return moment
    return None


def _source(alert: Alert, given: dict[str, Any], shape: Shape) -> str:
    """Return the alert's source; falcosidekick writes "syscalls" if Falco sent none."""
    source = alert.source or given.get("evt.source") or "syscalls"
    if source == "syscalls":
        source = shape.source
    if source == "syscall" and alert.rule.startswith("Falco internal:"):
        return "internal"
    return str(source)


def _drop_echoes(draft: Draft, echoes: tuple[str, ...], moment: Moment) -> None:
    """Drop the fields that only repeat the alert's own time or source."""
    given = draft.fields
    for field in echoes:
        value = given.get(field)
        if value == moment.ns or (value.__class__ is str and parse(value) == moment):
            del given[field]
    if given.get("evt.source") == draft.source:
        del given["evt.source"]
