"""Nearly all of what Falco's own rules print has an attribute."""

from __future__ import annotations

import pytest

from schemas.sources.scene import rows_of
from tests.docs.mapping_page import RELEASES
from tests.schemas.stock import alerts, share


@pytest.mark.parametrize("version", RELEASES)
def test_of_what_stock_rules_print_96_of_100_values_have_an_attribute(version: str) -> None:
    assert len({rule for rule, _ in alerts()}) >= 80
    found = share(version)
    assert found.values > 2_500
    assert found.percent >= 96


@pytest.mark.parametrize("version", RELEASES)
def test_what_is_left_has_a_reason_of_its_own(version: str) -> None:
    found = share(version)
    assert sum(found.times.values()) == found.unmapped
    for field, why in found.left.items():
        assert why, field
        assert any(not row.attributes or row.why for row in rows_of(field)), field
