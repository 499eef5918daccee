"""Registration, against the installed service model: botocore's Stubber checks both ways."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from streams.errors import FalcolakeError, Misconfigured, Unavailable
from streams.lake import custom_source
from streams.lake.custom_source import ADVICE, Registration
from streams.lake.errors import translated
from streams.lake.session import security_lake

REGION = "eu-central-1"
CRAWLER = "arn:aws:iam::123456789012:role/falco-crawler"
ROLE = f"arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-falco-{REGION}"
SOURCE = {
    "sourceName": "falco",
    "provider": {"location": "s3://aws-security-data-lake-x/ext/falco/", "roleArn": ROLE},
    "attributes": {
        "crawlerArn": f"arn:aws:glue:{REGION}:123456789012:crawler/falco",
        "tableArn": f"arn:aws:glue:{REGION}:123456789012:table/db/falco",
    },
}


def registration(**values: Any) -> Registration:
    given = {
        "region": REGION,
        "name": "falco",
        "event_class": "DETECTION_FINDING",
        "crawler_role": CRAWLER,
        "principal": "123456789012",
        "external_id": "id-1",
    }
    return Registration(**given | values)


@pytest.fixture
def client() -> Any:
    return security_lake(REGION)


@pytest.fixture
def aws(client: Any) -> Iterator[Stubber]:
    """The answers of AWS, in order; every one must be asked for."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def listed(*sources: dict[str, Any]) -> dict[str, Any]:
    return {
        "sources": [
            {
                "account": "123456789012",
                "region": REGION,
                "sources": [{"customLogSource": source} for source in sources],
            }
        ]
    }


def test_a_new_source_is_registered(client: Any, aws: Stubber) -> None:
    wanted = {"regions": [REGION], "sources": [{"customLogSource": {"sourceName": "falco"}}]}
    aws.add_response("list_log_sources", {"sources": []}, wanted)
    aws.add_response(
        "create_custom_log_source",
        {"source": SOURCE},
        {
            "sourceName": "falco",
            "eventClasses": ["DETECTION_FINDING"],
            "configuration": {
                "crawlerConfiguration": {"roleArn": CRAWLER},
                "providerIdentity": {"principal": "123456789012", "externalId": "id-1"},
            },
        },
    )
    found = custom_source.register(client, registration())
    assert found.created
    assert found.place == ("aws-security-data-lake-x", "ext/falco")
    assert found.role_arn == ROLE


def test_a_source_that_is_there_is_left_alone(client: Any, aws: Stubber) -> None:
    other = SOURCE | {"sourceName": "falcon"}
    aws.add_response("list_log_sources", listed(other) | {"nextToken": "more"})
    aws.add_response("list_log_sources", listed(SOURCE))
    found = custom_source.register(client, registration())
    assert (found.created, found.name) == (False, "falco")


def test_another_version_of_a_source_is_another_source(client: Any, aws: Stubber) -> None:
    aws.add_response("list_log_sources", listed(SOURCE | {"sourceVersion": "1"}))
    aws.add_response("create_custom_log_source", {"source": SOURCE | {"sourceVersion": "2"}})
    assert custom_source.register(client, registration(version="2")).version == "2"


def test_an_answer_without_a_location_has_no_place(client: Any, aws: Stubber) -> None:
    aws.add_response("list_log_sources", {})
    aws.add_response("create_custom_log_source", {"source": {"sourceName": "falco"}})
    assert custom_source.register(client, registration()).place is None


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"name": "a" * 21}, "NAME"),
        ({"name": ""}, "NAME"),
        ({"name": "falco/x"}, "NAME"),
        ({"name": "fal:co"}, "NAME"),
        ({"crawler_role": "falco-crawler"}, "--crawler-role"),
        ({"principal": "12345"}, "--principal"),
        ({"principal": "falco.example.com"}, "--principal"),
        ({"external_id": "x"}, "--external-id"),
        ({"external_id": "with space"}, "--external-id"),
        ({"external_id": "x\n"}, "--external-id"),
        ({"version": "1/2"}, "--source-version"),
    ],
)
def test_what_security_lake_would_refuse_is_refused_before(
    client: Any, values: dict[str, Any], option: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        custom_source.check(client, registration(**values))
    assert caught.value.message.startswith(f"{option} is not what Security Lake takes")


@pytest.mark.parametrize(
    "values", [{}, {"name": "a" * 20}, {"version": "1.0"}, {"principal": "glue.amazonaws.com"}]
)
def test_what_security_lake_takes_passes(client: Any, values: dict[str, Any]) -> None:
    custom_source.check(client, registration(**values))


def test_the_event_classes_are_names_to_the_service(client: Any) -> None:
    pattern = client.meta.service_model.shape_for("OcsfEventClass").metadata["pattern"]
    assert pattern == r"^[A-Z\_0-9]*$"


def errors_of_the_service() -> list[str]:
    model = botocore.session.Session().get_service_model("securitylake")
    operations = ("CreateCustomLogSource", "ListLogSources")
    return sorted({e.name for op in operations for e in model.operation_model(op).error_shapes})


@pytest.mark.parametrize("code", errors_of_the_service())
@pytest.mark.parametrize("operation", ["create_custom_log_source", "list_log_sources"])
def test_every_error_of_the_service_has_a_hint_of_its_own(
    client: Any, aws: Stubber, code: str, operation: str
) -> None:
    """Also those of a later botocore: then this fails until somebody has written the hint."""
    if operation == "create_custom_log_source":
        aws.add_response("list_log_sources", {})
    aws.add_client_error(operation, code, "AWS says why", 400)
    with pytest.raises(FalcolakeError) as caught:
        custom_source.register(client, registration())
    assert code in caught.value.message
    assert "AWS says why" in caught.value.message
    assert caught.value.hint == (ADVICE.reconfigure | ADVICE.wait)[code]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 403, Misconfigured),
        ("ExpiredTokenException", 403, Misconfigured),
        ("SomethingNew", 400, Misconfigured),
        ("SomethingNew", 503, Unavailable),
        ("ThrottlingException", 429, Unavailable),
        ("ConflictException", 409, Unavailable),
    ],
)
def test_an_error_says_whether_waiting_helps(
    client: Any, aws: Stubber, code: str, status: int, kind: type[FalcolakeError]
) -> None:
    aws.add_client_error("list_log_sources", code, http_status_code=status)
    with pytest.raises(kind) as caught:
        custom_source.register(client, registration())
    assert caught.value.hint


def test_without_credentials_or_network_it_says_so() -> None:
    signed_out = translated(NoCredentialsError(), "register falco", ADVICE)
    assert isinstance(signed_out, Misconfigured)
    away = translated(EndpointConnectionError(endpoint_url="https://x"), "register", ADVICE)
    assert isinstance(away, Unavailable)
    assert away.hint
