"""The attributes a finding may have, by class and release, and their DuckDB column types.

One table: each object lists its attributes as `name type`, followed by the releases that have it if
not all do. Types are OCSF's own without the `_t`, or the name of another object; `[]` marks a list.
The Parquet columns come from here only, so every object of a class and release has the same schema
and a Glue table never drifts. Each `*_time` has a `*_time_dt`, which `parts` computes.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

#: The (name, type) pairs of a class or an object.
Attributes = tuple[tuple[str, str], ...]

_SCALARS = MappingProxyType(
    {
        "string": "VARCHAR",
        "integer": "INTEGER",
        "long": "BIGINT",
        "float": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamp": "BIGINT",
        "datetime": "TIMESTAMP_MS",
        # JSON text. Not DuckDB's JSON type, which writes Parquet's JSON logical type.
        "json": "VARCHAR",
        "map": "MAP(VARCHAR, VARCHAR)",
    }
)

_ENVELOPE = """
activity_id integer; activity_name string; category_uid integer; category_name string
class_uid integer; class_name string; type_uid long; type_name string
time timestamp; time_dt datetime; timezone_offset integer
severity_id integer; severity string; confidence_id integer; confidence string
confidence_score integer
"""

_CLASSES = MappingProxyType(
    {
        "detection_finding": _ENVELOPE
        + """
        status_id integer; status string
        is_alert boolean 1.8.0; action_id integer 1.8.0; action string 1.8.0
        disposition_id integer 1.8.0; disposition string 1.8.0
        message string; raw_data string; raw_data_size long 1.8.0; unmapped map
        metadata metadata; finding_info finding_info; device device; actor actor; cloud cloud
        evidences evidence[]; resources resource[]; observables observable[]
        """,
        "security_finding": _ENVELOPE
        + """
        state_id integer; state string
        message string; raw_data string; unmapped map
        metadata metadata; finding finding; analytic analytic; attacks attack[]
        data_sources string[]; process acting_process; evidence json; cloud cloud
        resources resource[]; observables observable[]
        """,
    }
)

_OBJECTS = MappingProxyType(
    {
        "metadata": """
            version string; uid string; product product; log_name string; log_provider string
            log_level string; event_code string; original_time string
            logged_time timestamp; logged_time_dt datetime
            processed_time timestamp; processed_time_dt datetime
            labels string[]; profiles string[]; tenant_uid string
            source string 1.8.0; log_format string 1.8.0; original_event_uid string 1.8.0
            is_truncated boolean 1.8.0; loggers logger[]; extensions extension[]
            """,
        "product": "uid string; name string; vendor_name string; version string; feature feature",
        "feature": "uid string; name string",
        "extension": "name string; uid string; version string",
        "logger": "name string; device logging_device",
        "logging_device": "hostname string; name string; type_id integer; type string",
        "finding_info": """
            uid string; title string; desc string; src_url string
            created_time timestamp; created_time_dt datetime
            modified_time timestamp; modified_time_dt datetime
            first_seen_time timestamp; first_seen_time_dt datetime
            last_seen_time timestamp; last_seen_time_dt datetime; data_sources string[]
            types string[]; analytic analytic; attacks attack[]; related_events related_event[]
            """,
        "finding": """
            uid string; title string; desc string; src_url string
            created_time timestamp; created_time_dt datetime
            modified_time timestamp; modified_time_dt datetime
            first_seen_time timestamp; first_seen_time_dt datetime
            last_seen_time timestamp; last_seen_time_dt datetime; types string[]
            related_events related_event[]
            """,
        "analytic": "name string; uid string; type_id integer; type string; category string",
        "attack": "version string; tactic attack_id; technique attack_id; sub_technique attack_id",
        "attack_id": "uid string; name string; src_url string",
        "related_event": "uid string; type string",
        "device": "hostname string; name string; type_id integer; type string; os os",
        "os": "name string; type_id integer; type string",
        "actor": "process short_process; user short_user",
        "short_process": "name string; pid integer; uid string; cmd_line string",
        "short_user": "name string; uid string; type_id integer; type string",
        "cloud": """
            provider string; region string; account cloud_account; project_uid string 1.1.0 1.3.0
            """,
        "cloud_account": "uid string; type_id integer; type string",
        "evidence": """
            process process; actor evidence_actor; file file
            container container 1.3.0 1.8.0; api api
            src_endpoint source_endpoint; dst_endpoint destination_endpoint
            connection_info connection_info; http_request http_request 1.8.0; tls tls 1.8.0
            user target_user 1.3.0 1.8.0; url url 1.3.0 1.8.0; data json
            """,
        "process": """
            name string; pid integer; uid string; cmd_line string; path string 1.8.0
            working_directory string 1.8.0; created_time timestamp; created_time_dt datetime
            ptid long 1.8.0; tid integer 1.1.0 1.3.0; namespace_pid integer; auid integer
            file process_file; user short_user; group group; session process_session
            parent_process parent_process
            ancestry ancestor[] 1.8.0; lineage string[] 1.1.0 1.3.0; container container 1.1.0
            """,
        # Class 2001 has no container or Linux profile, so its process lacks their attributes.
        "acting_process": """
            name string; pid integer; uid string; cmd_line string; created_time timestamp
            created_time_dt datetime; tid integer; file process_file; user short_user
            session process_session; parent_process parent_process; lineage string[]
            """,
        "process_file": """
            name string; path string; parent_folder string; type_id integer; type string; uid string
            modified_time timestamp; modified_time_dt datetime; hashes fingerprint[]
            """,
        "process_session": "terminal string; uid string",
        "parent_process": """
            name string; pid integer; uid string; cmd_line string; namespace_pid integer
            created_time timestamp; created_time_dt datetime; file plain_file
            """,
        "plain_file": """
            name string; path string; parent_folder string; type_id integer; type string
            """,
        "ancestor": "name string; pid integer; cmd_line string; path string",
        "group": "name string; uid string",
        "file": """
            name string; path string; parent_folder string; type_id integer; type string; uid string
            hashes fingerprint[]
            """,
        "fingerprint": "algorithm_id integer; algorithm string; value string",
        "container": """
            uid string; name string; runtime string; orchestrator string; pod_uuid string
            image image; hash fingerprint; labels string[] 1.8.0
            """,
        "image": "name string; uid string; labels string[] 1.8.0; tag string 1.1.0 1.3.0",
        "evidence_actor": """
            user user; process actor_process; session session; authorizations authorization[]
            """,
        "actor_process": """
            name string; pid integer; uid string; cmd_line string; created_time timestamp
            created_time_dt datetime; file actor_file; user short_user
            """,
        "actor_file": """
            name string; path string; type_id integer; type string; hashes fingerprint[]
            """,
        "user": """
            name string; uid string; uid_alt string; type_id integer; type string; account account
            groups group[]; full_name string; email_addr string; org organization
            """,
        "account": "uid string",
        "organization": "name string",
        "session": "uid string",
        "authorization": "decision string; policy policy",
        "policy": "name string; desc string",
        "api": """
            operation string; version string; service named; request request; response response
            """,
        "named": "name string",
        "request": "uid string; data json; containers request_container[]",
        "request_container": "name string; image request_image",
        "request_image": "name string; uid string",
        "response": """
            code integer; message string; error string; error_message string; data json
            """,
        "source_endpoint": """
            ip string; port integer; hostname string; name string; domain string; uid string
            type_id integer; type string; zone string; os os
            intermediate_ips string[]; location location; isp string 1.8.0
            autonomous_system autonomous_system 1.3.0 1.8.0
            """,
        "destination_endpoint": """
            ip string; port integer; hostname string; name string; svc_name string
            """,
        "location": """
            city string; region string; country string; postal_code string; lat float 1.3.0 1.8.0
            long float 1.3.0 1.8.0; coordinates float[] 1.1.0
            """,
        "autonomous_system": "number integer; name string",
        "connection_info": """
            direction_id integer; direction string; protocol_name string; protocol_num integer
            protocol_ver_id integer; protocol_ver string
            """,
        "http_request": "url url; user_agent string",
        "url": "url_string string; path string",
        "tls": "version string; cipher string; sni string",
        "target_user": """
            name string; uid string; full_name string; email_addr string; type_id integer
            type string
            """,
        "resource": """
            uid string; name string; type string; namespace string; labels string[]; region string
            role_id integer 1.8.0; role string 1.8.0; owner owner
            cloud_partition string; data json
            """,
        "owner": "name string; account account",
        "observable": "name string; type_id integer; type string; value string",
    }
)


@cache
def columns(event_class: str, version: str) -> MappingProxyType[str, str]:
    """Return the DuckDB type of each column of a class at a release, in order."""
    return MappingProxyType(
        {name: duckdb_type(type_, version) for name, type_ in attributes(event_class, version)}
    )


@cache
def paths(event_class: str, version: str) -> frozenset[str]:
    """Return every attribute path of a class at a release, as in `evidences[].process.name`."""
    found = set()

    def walk(table: str, prefix: str) -> None:
        for name, type_ in _attributes(table, version):
            path = prefix + name + ("[]" if type_.endswith("[]") else "")
            found.add(path)
            if inner := _OBJECTS.get(type_.removesuffix("[]")):
                walk(inner, path + ".")

    walk(_CLASSES[event_class], "")
    return frozenset(found)


def attributes(event_class: str, version: str) -> Attributes:
    """Return the (name, type) pairs of a class's own attributes."""
    return _attributes(_CLASSES[event_class], version)


def members(type_: str, version: str) -> Attributes:
    """Return the (name, type) pairs of an object's attributes; none for a scalar."""
    return _attributes(_OBJECTS.get(type_, ""), version)


@cache
def _attributes(table: str, version: str) -> Attributes:
    """Return the (name, type) pairs of a table that the release has."""
    rows = (row.split() for row in table.replace("\n", ";").split(";"))
    return tuple((row[0], row[1]) for row in rows if row and version in (row[2:] or [version]))


def duckdb_type(type_: str, version: str) -> str:
    """Return the DuckDB type of an attribute of this type."""
    if type_.endswith("[]"):
        return duckdb_type(type_.removesuffix("[]"), version) + "[]"
    if scalar := _SCALARS.get(type_):
        return scalar
    inner = _attributes(_OBJECTS[type_], version)
    return (
        "STRUCT("
        + ", ".join(f'"{name}" {duckdb_type(kind, version)}' for name, kind in inner)
        + ")"
    )
