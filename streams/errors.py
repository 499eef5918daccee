"""The errors a person may see, sorted by what that person does next.

    FalcolakeError            a message, and a hint: what to try
    ├── Unavailable           wait: Kafka, the lake or the disk does not answer now; nothing is lost
    ├── Corrupt               repair: data that should be readable is not
    ├── Misconfigured         reconfigure: a setting, name or right is wrong; waiting does not help
    ├── Unproved              find out who answers: the lake's answer does not prove what it says
    └── Occupied              decide: an object's key in the lake has something else

Add a kind only where a person would do something else. Errors of a library are translated to these
in one module each: `kafka.errors`, `lake.errors`, `staging.segments`. A bad record is not an error:
it is a value, a reject.
"""


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
