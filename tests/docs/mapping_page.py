"""`docs/mapping.md`, generated from the mapping: `python -m tests.docs.mapping_page` writes it.

Every line of a table is a `Row` that the mapping itself uses, so the page says what the code does;
a test fails if the page is out of date.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.classes.envelope import KEY_ROWS
from schemas.classes.security_finding import places_of
from schemas.mapping import MAPPING_VERSION
from schemas.ocsf import attack_enterprise
from schemas.ocsf.columns import paths
from schemas.ocsf.releases import (
    CONFIDENCES,
    MATURITY_CONFIDENCE_IDS,
    OBSERVABLE_TYPES,
    PRIORITIES,
    SEVERITIES,
    SEVERITY_IDS,
)
from schemas.sources import (
    aws_cloudtrail,
    gcp_auditlog,
    github,
    k8s_audit,
    okta,
    syscall_container,
    syscall_event,
    syscall_file,
    syscall_network,
    syscall_process,
    syscall_user,
)
from schemas.sources import (
    scene as sources,
)
from schemas.sources.draft import Row
from tests.schemas.sources.test_draft import OBSERVABLES
from tests.schemas.stock import alerts, share

PATH = Path(__file__).parents[2] / "docs" / "mapping.md"

SYSCALL = (
    ("The program, its parent and ancestors", syscall_process.PROGRAM_ROWS),
    ("The process: what one run has of its own", syscall_process.ROWS),
    ("User and group", syscall_user.ROWS),
    ("Container, image and Kubernetes workload", syscall_container.ROWS),
    ("File", syscall_file.ROWS),
    ("Network", syscall_network.ROWS),
    ("The event", (*syscall_event.CALL_ROWS, *syscall_event.ROWS)),
)
PLUGINS = (
    ("Kubernetes audit: `k8s_audit`, `k8s_audit_eks` and kin", k8s_audit.ROWS),
    ("AWS CloudTrail: `aws_cloudtrail`", aws_cloudtrail.ROWS),
    ("Google Cloud audit: `gcp_auditlog`", gcp_auditlog.ROWS),
    ("Okta: `okta`", okta.ROWS),
    ("GitHub: `github`", github.ROWS),
)
ANYWHERE = tuple(
    row for row in sources.ROWS if not any(row in rows for _, rows in (*SYSCALL, *PLUGINS))
)

RELEASES = {version: paths("detection_finding", version) for version in ("1.1.0", "1.3.0", "1.8.0")}
_NO_PLACE = "OCSF has no place for it."

INTRODUCTION = f"""\
# The mapping: Falco → OCSF

Version {MAPPING_VERSION} of the mapping. `make docs` writes this page from the rows that the
mapping itself uses; do not edit it. To see where your own alerts go:

    falcolake map --explain alerts.jsonl

How to read the tables:

- Paths are those of a Detection Finding (class 2004). `(1.8.0)` after a path means: only in that
  release; `(1.1.0, 1.3.0)` only in those, because OCSF renamed or deprecated it later. A field
  whose only attribute is `(1.8.0)` is in `unmapped` at 1.1.0 and 1.3.0.
- At 1.1.0, `evidences[].container` is `evidences[].process.container`: evidences have no
  container before OCSF 1.2.
- Each `*_time` (milliseconds) has a `*_time_dt` (a timestamp in Parquet), which is not listed.
- `evidences[].actor.process` repeats name, pid, uid, command line, start, file and user of the
  acting process, `evidences[].process`, because AWS's own findings have it there.
- Without a note, the value is copied unchanged.
- **Nothing is lost.** A field that is in no table, or whose value does not fit its attribute (a
  pid that is not a number, an invalid address), is in `unmapped` under Falco's own name, as text.
  Only values that say "none" and repetitions of another field are left out: `null`, empty values,
  `<NA>`, -1 as the login user, 0 as the terminal, `host` as the container. `raw_data` is the
  record's value as received.
- `evidences[].data` and `resources[].data` are JSON text, keyed by Falco's names: what belongs to
  the evidence or resource, and OCSF has no attribute for, or not in this version.
- A name that ends in `*` stands for all names that begin with it. falcosidekick may have replaced
  brackets: `proc.aname_2` is `proc.aname[2]`.
- The tables are chosen by a field's name, not by the alert's source, so a rule may mix them. An
  alert with fields of several sources has an element of `evidences` for each.
"""


def page() -> str:
    """Return the page."""
    return "\n".join(
        [
            INTRODUCTION,
            *_section("The alert's own keys", KEY_ROWS),
            *_severities(),
            *_confidences(),
            *_attack(),
            *_section("Fields of any source", ANYWHERE),
            "## Syscalls: `syscall`\n",
            "`evidences[].process` has the complete process, `actor.process` a short form.\n",
            *(line for title, rows in SYSCALL for line in _section(title, rows, "###")),
            "## Plugins\n",
            "The host of the plugin is in `metadata.loggers[]`, because it is not affected.\n",
            *(line for title, rows in PLUGINS for line in _section(title, rows, "###")),
            *_stock(),
            *_observables(),
            *_security_finding(),
        ]
    )


def _section(title: str, rows: Iterable[Row], level: str = "##") -> Iterator[str]:
    yield f"{level} {title}\n"
    yield from _table(
        ("Falco", "OCSF", "note"),
        ((f"`{row.field}`", _attributes(row), row.why or _note(row)) for row in rows),
    )


def _note(row: Row) -> str:
    return "" if row.attributes else _NO_PLACE


def _attributes(row: Row) -> str:
    return "<br>".join(f"`{name}`{_only(name)}" for name in row.attributes) or "`unmapped`"


def _only(name: str) -> str:
    """Return the releases that have an attribute, if not all have it."""
    inside = name.replace("evidences[].container", "evidences[].process.container")
    found = [version for version, known in RELEASES.items() if name in known or inside in known]
    return "" if len(found) == len(RELEASES) else f" ({', '.join(found)})"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |".replace("  ", " ")
    yield ""


def _severities() -> Iterator[str]:
    yield "## Priority and severity\n"
    yield "As in falcosidekick's Security Lake output, so that old and new findings compare.\n"
    rows = [(name.capitalize(), SEVERITY_IDS[name]) for name in PRIORITIES]
    yield from _table(
        ("`priority`", "`severity_id`", "`severity`"),
        ((name, f"{number}", SEVERITIES[number]) for name, number in [*rows, ("any other", 0)]),
    )


def _confidences() -> Iterator[str]:
    yield "## Maturity and confidence\n"
    yield from _table(
        ("tag", "`confidence_id`", "`confidence`"),
        (
            (f"`{tag}`", f"{number}", CONFIDENCES[number])
            for tag, number in MATURITY_CONFIDENCE_IDS.items()
        ),
    )


def _attack() -> Iterator[str]:
    yield "## ATT&CK\n"
    yield f"Tags become `finding_info.attacks[]` by ATT&CK {attack_enterprise.VERSION}."
    yield "`mitre_persistence`, `TA0003` and `TA0003-persistence` are tactics; `T1059`, `T1059.004`"
    yield "and `T1562-impair-defenses` are techniques. There is one element for each pair of a"
    yield "technique and a tagged tactic that it belongs to, then one for each remaining tactic. A"
    yield "technique without a tagged tactic has no tactic; an unknown id has no name.\n"


def _observables() -> Iterator[str]:
    yield "## Observables\n"
    yield "Searchable values of any source. Types 13, 15, 16, 35 and 45 are left out at 1.1.0,"
    yield "and 16, 35 and 45 at 1.3.0, because OCSF added them, or what they name, later.\n"
    places: dict[int, dict[str, None]] = defaultdict(dict)
    for _, _, *observed in OBSERVABLES:
        for each in observed[:2]:
            if each is not None:
                places[each[1]][f"`{each[0]}`"] = None
    yield from _table(
        ("`type_id`", "`type`", "`name`"),
        (
            (f"{number}", name, "<br>".join(places[number]))
            for number, name in OBSERVABLE_TYPES.items()
        ),
    )


def _stock() -> Iterator[str]:
    found = {version: share(version) for version in RELEASES}
    rules = len({rule for rule, _ in alerts()})
    yield "## How much of what Falco's own rules print has an attribute\n"
    yield f"Counted on {len(alerts())} sample alerts of {rules} stock rules: each rule with each"
    yield "set of fields that the samples print it with, some as the rule is, some with fields that"
    yield 'sites add. Values that say "none", and repetitions of another, are not counted.\n'
    yield from _table(
        (
            "version",
            "values",
            "in an attribute of their own",
            "in `data`",
            "in `unmapped`",
            "mapped",
        ),
        (
            (
                version,
                f"{each.values}",
                f"{each.own}",
                f"{each.data}",
                f"{each.unmapped}",
                f"{each.percent:.1f} %",
            )
            for version, each in found.items()
        ),
    )
    yield "What is left in `unmapped`, and why:\n"
    left = {field: why for each in found.values() for field, why in each.left.items()}
    yield from _table(
        ("field", "alerts", "why"),
        (
            (f"`{field}`", f"{max(each.times[field] for each in found.values())}", left[field])
            for field in sorted(left)
        ),
    )


def _security_finding() -> Iterator[str]:
    yield "## Security Finding (class 2001)\n"
    yield "The same findings in the older class, at 1.1.0. These attributes are in other places:\n"
    begins = (
        "evidences[].process.name",
        "evidences[].file.path",
        "finding_info.title",
        "finding_info.analytic.name",
        "finding_info.attacks[]",
        "finding_info.data_sources[]",
        "device.hostname",
        "actor.process.name",
    )
    yield from _table(
        ("2004", "2001"),
        (
            (f"`{name}`", "<br>".join(f"`{place}`" for place in places_of(name)) or "none")
            for name in begins
        ),
    )
    yield "`evidence` is JSON: the first element of `evidences`, and the others under `others`."


def main() -> None:
    """Write the page."""
    PATH.write_text(page() + "\n")


if __name__ == "__main__":
    main()
