"""Sizes and numbers of things as a person reads them."""


def in_bytes(number: int) -> str:
    """Format a number of bytes: 2.1 GB, 300.0 kB, 12 bytes."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"


def counted(number: int, what: str) -> str:
    """Format a number of things: 1 record, 1,200 records."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
