"""A contract's parts: a model, and what it stands for on the session's broker."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import pytest


class Closing(Protocol):
    """A real part, with connections."""

    def close(self) -> None: ...


Model = TypeVar("Model")
Real = TypeVar("Real", bound=Closing)

KINDS = ["the model", "the real one"]


def either(
    request: pytest.FixtureRequest, model: Callable[[], Model], real: Callable[[str, str], Real]
) -> Iterator[Model | Real]:
    """Yield the kind that is asked for; a real one is made of an address and a topic of its own."""
    if request.param == "the model":
        yield model()
        return
    bootstrap, make_topic = map(request.getfixturevalue, ("kafka_bootstrap", "make_topic"))
    made = real(bootstrap, make_topic(partitions=1))
    yield made
    made.close()
