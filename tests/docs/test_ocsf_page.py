"""`docs/ocsf.md`: what it says of AWS's columns and of the versions is so."""

from __future__ import annotations

import re

from schemas.mapping import Mapping, Options
from schemas.ocsf.columns import paths
from schemas.ocsf.releases import IN_SECURITY_LAKE, RELEASES
from tests.docs.mapping_page import PATH

PAGE = PATH.with_name("ocsf.md").read_text()
ROWS = dict(re.findall(r"^\| `([^`]+)` \| (yes|no) \|", PAGE, re.MULTILINE))


def test_a_leaf_of_awss_table_is_there_if_the_page_says_so() -> None:
    known = paths("detection_finding", "1.1.0")
    # The partitions are in the key, not in the file; a pattern stands for what another class has.
    named = {name: said for name, said in ROWS.items() if name not in ("accountid", "region")}

    assert len(named) > 80
    for name, said in named.items():
        found = any(path.startswith(name.removesuffix("*")) for path in known)
        assert (found if name.endswith("*") else name in known) == (said == "yes"), name


def test_the_page_has_every_version() -> None:
    versions = re.findall(r"^\| (\d\.\d\.\d)\b", PAGE, re.MULTILINE)

    assert versions == list(RELEASES)
    assert IN_SECURITY_LAKE in versions
    for version in versions:
        assert Mapping(Options(ocsf_version=version)).columns
