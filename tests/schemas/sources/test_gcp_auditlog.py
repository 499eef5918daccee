"""Google Cloud audit logs."""

from __future__ import annotations

from tests.schemas.sources.rows import (
    IN_DATA,
    REQUEST,
    SAME,
    SRC,
    USER,
    Case,
    E,
    check,
    each,
)

METHOD = {"gcp.methodName": "storage.delete"}

CASES = [
    Case("gcp.location", "europe-west1", {}, ("cloud.region", SAME), None),
    Case("gcp.projectId", "p-1", {}, ("cloud.project_uid", SAME), ("cloud.account.type_id", 11)),
    Case(
        "gcp.projectId",
        "p-1",
        {"gcp.storage.bucket": "b"},
        ("resources.0.owner.account.uid", SAME),
        None,
    ),
    Case("gcp.methodName", "storage.delete", {}, (f"{E}.api.operation", SAME), None),
    Case("gcp.serviceName", "storage", METHOD, (f"{E}.api.service.name", SAME), None),
    Case("gcp.request", "{}", METHOD, (f"{REQUEST}.data", {"gcp.request": "{}"}), None),
    Case("gcp.policyDelta", "{}", METHOD, (f"{REQUEST}.data", {"gcp.policyDelta": "{}"}), None),
    Case("gcp.request", "{}", {}, (f"{E}.data", {"gcp.request": "{}"}), None),
    Case("gcp.policyDelta", "{}", {}, (f"{E}.data", {"gcp.policyDelta": "{}"}), None),
    Case("gcp.user", "alice@example.com", {}, (f"{USER}.name", SAME), (f"{USER}.email_addr", SAME)),
    Case(
        "gcp.authorizationInfo",
        '[{"granted":true,"permission":"a.b"}]',
        {"gcp.user": "a"},
        (f"{E}.actor.authorizations", [{"decision": "granted", "policy": {"name": "a.b"}}]),
        None,
    ),
    Case(
        "gcp.authorizationInfo",
        '[{"granted":true,"permission":"a.b","resource":"r"}]',
        {"gcp.user": "a"},
        (IN_DATA, SAME),
        None,
    ),
    Case("gcp.callerIP", "203.0.113.7", {}, (f"{SRC}.ip", SAME), None),
    Case(
        "gcp.userAgent", "gcloud", METHOD, (IN_DATA, SAME), (f"{E}.http_request.user_agent", SAME)
    ),
    *(
        Case(field, "x", {}, ("resources.0.name", SAME), None)
        for field in (
            "gcp.resourceName",
            "gcp.storage.bucket",
            "gcp.cloudfunctions.function",
            "gcp.cloudsql.databaseId",
            "gcp.compute.instanceId",
        )
    ),
    Case(
        "gcp.resourceType",
        "gcs_bucket",
        {"gcp.resourceName": "x"},
        ("resources.0.type", SAME),
        None,
    ),
    Case(
        "gcp.resourceLabels",
        '{"a":"b"}',
        {"gcp.resourceName": "x"},
        ("resources.0.labels", ["a=b"]),
        None,
    ),
]


@each(CASES)
def test_a_field_goes_to_its_attribute(case: Case) -> None:
    check(case)
