"""Every error a person may see says what to try."""

import ast
import errno
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError

from streams import errors
from streams.errors import FalcolakeError, in_words

STREAMS = Path(errors.__file__).parent
KINDS = {"FalcolakeError", "Unavailable", "Corrupt", "Misconfigured", "Unproved", "Occupied"}


def constructions() -> Iterator[tuple[str, ast.Call]]:
    """Every place in the product that builds one of these errors by its name."""
    for path in [*STREAMS.rglob("*.py"), STREAMS.parent / "cli.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if isinstance(node.func, ast.Name):
                name = node.func.id
            if name in KINDS:
                yield f"{path.relative_to(STREAMS.parent)}:{node.lineno}", node


def test_every_error_that_is_built_has_a_hint() -> None:
    found = list(constructions())
    assert len(found) > 60
    for place, node in found:
        given = [*node.args, *(each.value for each in node.keywords if each.arg == "hint")]
        assert len(given) == 2, f"{place}: no hint"
        assert not (isinstance(given[1], ast.Constant) and not given[1].value), f"{place}: empty"


def test_there_are_no_other_kinds() -> None:
    assert {kind.__name__ for kind in FalcolakeError.__subclasses__()} == KINDS - {"FalcolakeError"}
    for path in STREAMS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and path != STREAMS / "errors.py":
                assert not KINDS & {ast.unparse(base) for base in node.bases}, path


def test_a_hint_cannot_be_left_out() -> None:
    with pytest.raises(TypeError):
        FalcolakeError("something went wrong")  # type: ignore[call-arg]


REFUSED = os.strerror(errno.ECONNREFUSED)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (RequestTimedOutError(), "request timed out"),
        (
            OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 1, 0, 0)"),
            "Connect call failed [::1]:1",
        ),
        (KafkaConnectionError("111 ECONNREFUSED"), REFUSED),
        (
            KafkaConnectionError(
                "Unable to bootstrap from [('::1', 1, <AddressFamily.AF_INET6: 10>)]"
            ),
            "Unable to bootstrap from [[::1]:1]",
        ),
        (
            KafkaConnectionError(
                "Connection at localhost:1 failed: [Errno 111] Connect call failed ('127.0.0.1', 1)"
            ),
            f"Connection at localhost:1 failed: {REFUSED} 127.0.0.1:1",
        ),
        (KafkaConnectionError(OSError(2, "gone")), "gone"),
        (ValueError("cannot ask: TimeoutError()"), "cannot ask: no answer in time"),
        (ValueError("cannot ask: ValueError('no')"), "cannot ask: no"),
        (ssl.SSLError(1, "[SSL: WRONG] wrong version (_ssl.c:1006)"), "[SSL: WRONG] wrong version"),
        (ValueError("rule <b> and [1, 2] (x) stay"), "rule <b> and [1, 2] (x) stay"),
    ],
)
def test_an_error_of_a_library_is_told_without_python_s_notation(
    error: Exception, words: str
) -> None:
    assert in_words(error) == words
