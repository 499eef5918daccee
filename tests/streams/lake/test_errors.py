"""What every error of botocore becomes, also of a release to come."""

import inspect
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError

from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.lake.custom_source import ADVICE
from streams.lake.errors import READER, WRITER, Advice, translated, translating
from streams.lake.session import connect
from streams.settings import sections

#: Which classes of errors no rule is about. A new one fails the test below: decide whether waiting
#: helps, or a person must act; write a rule, or add it to the file.
BY_DEFAULT = Path(__file__).with_name("errors_by_default.txt")

#: Which are not the errors of a request: warnings, and mistakes in a service's model.
OTHERS = {
    "ImminentRemovalWarning",
    "MissingServiceIdError",
    "UndefinedModelAttributeError",
    "UnsupportedTLSVersionWarning",
}


class Anything(dict[str, str]):
    """Fills every place in the text of an error."""

    def __missing__(self, name: str) -> str:
        return f"the {name}"


def refusal(code: str, status: int, message: str = "no") -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutObject")


def every() -> list[Exception]:
    """An error of each class that `botocore.exceptions` has."""
    found: list[Exception] = []
    for kind in vars(botocore.exceptions).values():
        if not inspect.isclass(kind) or not issubclass(kind, Exception):
            continue
        if issubclass(kind, ClientError):
            error: Exception = kind(refusal("New", 400).response, "PutObject")
        else:
            error = kind.__new__(kind)
            error.args = (getattr(kind, "fmt", "").format_map(Anything()),)
        found.append(error)
    return found


EVERY = [error for error in every() if type(error).__name__ not in OTHERS]


@pytest.mark.parametrize("advice", [WRITER, READER, ADVICE])
def test_every_error_is_translated_and_says_what_to_try(advice: Advice) -> None:
    assert len(EVERY) > 90
    for error in EVERY:
        with pytest.raises(FalcolakeError) as caught, translating("put k", advice):
            raise error
        assert caught.value.message.startswith("cannot put k: "), error
        assert caught.value.hint, error


def test_the_default_takes_only_those_it_is_meant_for() -> None:
    taken = {
        type(error).__name__
        for error in EVERY
        if isinstance(translated(error, "put k", WRITER), Unavailable)
    }
    assert taken == {*BY_DEFAULT.read_text().split()}


@pytest.mark.parametrize("code", WRITER.reconfigure)
def test_a_reader_is_advised_about_reading(code: str) -> None:
    assert "Put" not in translated(refusal(code, 403), "read k", READER).hint


def test_a_refusal_because_of_the_key_names_the_key() -> None:
    denied = refusal("AccessDenied", 403, "not authorized to perform: kms:GenerateDataKey")
    assert "LAKE__KMS_KEY_ID" in translated(denied, "put k", WRITER).hint
    assert "kms:Decrypt" in translated(denied, "read k", READER).hint


def test_a_path_in_a_url_and_its_signature_are_not_shown() -> None:
    error = botocore.exceptions.EndpointConnectionError(endpoint_url="https://host/b/k?sig=secret")
    assert "secret" not in translated(error, "put k", WRITER).message


def test_a_profile_that_is_not_there_is_a_matter_of_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(Misconfigured, match="no-such-profile") as caught:
        connect(
            sections.LakeSettings(bucket="lake", region="eu-central-1", account_id="123456789012")
        )
    assert "AWS" in caught.value.hint


def test_other_errors_pass_unless_they_are_asked_for() -> None:
    with pytest.raises(FileNotFoundError), translating("read k", READER):
        raise FileNotFoundError
    with pytest.raises(Unavailable), translating("put k", WRITER, OSError):
        raise FileNotFoundError
