"""Sizes as a person reads them."""

import pytest

from streams.sizes import in_bytes


@pytest.mark.parametrize(
    ("size", "text"),
    [(900, "900 bytes"), (1_500, "1.5 kB"), (212_000_000, "212.0 MB"), (2_100_000_000, "2.1 GB")],
)
def test_bytes_have_a_unit(size: int, text: str) -> None:
    assert in_bytes(size) == text
