"""The errors a person may see, sorted by what that person does next.

    FalcolakeError            a message, and a hint: what to try
    ├── Unavailable           wait: Kafka, the lake or the disk does not answer now; nothing is lost
    ├── Corrupt               repair: data that should be readable is not
    ├── Misconfigured         reconfigure: a setting, name or right is wrong; waiting does not help
    ├── Unproved              find out who answers: the lake's answer does not prove what it says
    └── Occupied              decide: an object's key in the lake has something else

Add a kind only where a person would do something else. Errors of a library are translated to these
in one module each: `kafka.errors`, `lake.errors`, `staging.segments`, `query.engine`. A bad record
is not an error: it is a value, a reject.
"""

import os
import re
from collections.abc import Callable


class FalcolakeError(Exception):
    """What went wrong and why (`message`), and what to try (`hint`, never empty)."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class Unavailable(FalcolakeError):  # noqa: N818 - the tree names what to do
    """Something falcolake needs does not answer: wait, and try again."""


class Corrupt(FalcolakeError):  # noqa: N818 - the tree names what to do
    """Stored data cannot be read or contradicts itself: repair it, or let falcolake rebuild it."""


class Misconfigured(FalcolakeError):  # noqa: N818 - the tree names what to do
    """A setting, a name or a permission is wrong: change it, then try again."""


class Unproved(FalcolakeError):  # noqa: N818 - the tree names what to do
    """An answer does not prove what it says: find out what answers in the lake's place."""


class Occupied(FalcolakeError):  # noqa: N818 - the tree names what to do
    """An object's key has something else: decide what becomes of it. Nothing is overwritten."""


def in_url(host: str, port: int | str) -> str:
    """Return an address as URLs have it: an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


#: Python's notation in what libraries say, and what stands for it.
NOTATION: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    # ('localhost', 9092, <AddressFamily.AF_UNSPEC: 0>), ('::1', 9092, 0, 0)
    (
        re.compile(r"\('([^']*)', (\d+)(?:, (?:\d+|<[^<>]*>))*\)"),
        lambda found: in_url(found[1], found[2]),
    ),
    # [Errno 111] Connect call failed, 111 ECONNREFUSED
    (
        re.compile(r"\[Errno (\d+)\] Connect call failed|\b(\d+) E[A-Z]{3,}\b"),
        lambda found: os.strerror(int(found[1] or found[2])),
    ),
    (re.compile(r"\[Errno -?\d+\] "), lambda _: ""),
    (re.compile(r" ?\(_ssl\.c:\d+\)"), lambda _: ""),
    # <KafkaConnection node_id=1 …>, <AddressFamily.AF_INET: 2>
    (re.compile(r"<[A-Za-z_.]+[ :.][^<>]*>:? ?"), lambda _: ""),
    # TimeoutError(), OSError(5, 'Input/output error'), ValueError('no')
    (
        re.compile(r"""\b(\w+(?:Error|Exception))\((?:\d+, )?(?:(['"])(.*?)\2)?,?\)"""),
        lambda found: found[3] or _named(found[1]),
    ),
)


def in_words(error: BaseException) -> str:
    """Return what an error of a library says, without Python's notation; never empty."""
    if isinstance(error, OSError) and error.strerror:
        said = str(error.strerror)
    else:
        said = "; ".join(map(str, error.args))
    for notation, words in NOTATION:
        said = notation.sub(words, said)
    return said.strip() or _named(type(error).__name__)


def _named(kind: str) -> str:
    """Return the name of a class of errors in words: "request timed out"."""
    if kind in {"TimeoutError", "CancelledError"}:
        return "no answer in time"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub("(Error|Exception)$", "", kind)).lower()
