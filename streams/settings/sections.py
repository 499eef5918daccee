"""The groups of settings: every name, default and limit, one class per `[section]`.

The documentation and `falcolake settings --example` print the descriptions and examples. A class
checks the consistency of its section; it reads nothing and touches no file.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from streams.settings.fields import (
    AccountId,
    Bucket,
    ClusterName,
    Endpoint,
    FilePath,
    Json,
    Listed,
    Lower,
    Name,
    PageUrl,
    Patterns,
    Prefix,
    Priority,
    Region,
    RoleArn,
    Seconds,
    Servers,
    Short,
    Size,
    Topic,
    Upper,
)


class Section(BaseModel):
    """A group of settings: immutable, without unknown names."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True
    )


def _contradiction(setting: str, message: str) -> PydanticCustomError:
    return PydanticCustomError("contradiction", "{why}", {"setting": setting, "why": message})


class KafkaSettings(Section):
    """Where the alerts come from."""

    bootstrap_servers: Servers = Field(
        default="localhost:9092", description="Kafka brokers: a comma-separated list of host:port"
    )
    topic: Topic = Field(default="falco-events", description="Topic to read alerts from")
    group_id: Name = Field(
        default="falcolake", description="Consumer group that all workers of this lake share"
    )
    control_topic: Topic = Field(
        default_factory=lambda data: f"{data['topic']}.control",
        validate_default=True,
        description="Topic for requests to the workers, such as a flush",
        examples=["falco-events.control"],
    )
    dead_letter_topic: Topic = Field(
        default_factory=lambda data: f"{data['topic']}.dead-letter",
        validate_default=True,
        description="Topic for records that cannot become findings",
        examples=["falco-events.dead-letter"],
    )
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], Upper
    ] = Field(
        default="PLAINTEXT",
        description="How to connect: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "AWS_MSK_IAM"], Upper
    ] = Field(
        default="PLAIN",
        description="How to sign in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or AWS_MSK_IAM",
    )
    sasl_username: Name | None = Field(
        default=None, description="User name for SASL", examples=["falco"]
    )
    sasl_password: SecretStr | None = Field(
        default=None, description="Password for SASL", examples=["secret"]
    )
    ssl_ca_file: FilePath | None = Field(
        default=None,
        description="CA certificates to trust, PEM; unset: the system's",
        examples=["/etc/falcolake/ca.pem"],
    )
    ssl_cert_file: FilePath | None = Field(
        default=None,
        description="Client certificate for mutual TLS, PEM",
        examples=["/etc/falcolake/client.pem"],
    )
    ssl_key_file: FilePath | None = Field(
        default=None,
        description="Key of the client certificate, PEM, if it is in another file",
        examples=["/etc/falcolake/client.key"],
    )
    ssl_key_password: SecretStr | None = Field(
        default=None, description="Password of the client certificate's key", examples=["secret"]
    )
    ssl_check_hostname: bool = Field(
        default=True, description="Whether a broker's certificate must contain its host name"
    )
    group_instance_id: Name | None = Field(
        default=None,
        description="Static membership: a restart within session_timeout does not move partitions",
        examples=["worker-0"],
    )
    session_timeout: Seconds = Field(
        default=45.0,
        description="Time without a heartbeat after which a worker loses its partitions",
    )
    heartbeat_interval: Seconds = Field(
        default_factory=lambda data: data["session_timeout"] / 10,
        description="Time between heartbeats, one tenth of session_timeout by default",
        examples=[4.5],
    )
    bootstrap_timeout: Seconds = Field(
        default=10.0, description="How long a command looks for a broker that answers"
    )

    @property
    def servers(self) -> list[str]:
        """The brokers as a list of host:port."""
        return self.bootstrap_servers.split(",")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len({self.topic, self.control_topic, self.dead_letter_topic}) < 3:
            raise _contradiction("topic", "the three topics must have different names")
        if self.heartbeat_interval > self.session_timeout / 3:
            raise _contradiction(
                "heartbeat_interval",
                "at most a third of kafka.session_timeout, so that a lost heartbeat does no harm",
            )
        self._agree_on_security()
        return self

    def _agree_on_security(self) -> None:
        protocol = self.security_protocol
        given = [name for name in type(self).model_fields if name in self.model_fields_set]
        given = [name for name in given if getattr(self, name) is not None]
        if protocol.startswith("SASL_"):
            self._agree_on_sign_in(given)
        for name in given:
            if name.startswith("sasl_") and not protocol.startswith("SASL_"):
                raise _contradiction(name, f"set, but {protocol} does not sign in")
            if name.startswith("ssl_") and not protocol.endswith("SSL"):
                raise _contradiction(name, f"set, but {protocol} has no TLS")
            if name.startswith("ssl_key_") and "ssl_cert_file" not in given:
                raise _contradiction(name, "set, but kafka.ssl_cert_file is not")

    def _agree_on_sign_in(self, given: list[str]) -> None:
        by_role = self.sasl_mechanism == "AWS_MSK_IAM"
        if by_role and self.security_protocol != "SASL_SSL":
            raise _contradiction("security_protocol", "AWS_MSK_IAM needs SASL_SSL")
        for name in ("sasl_username", "sasl_password"):
            if name in given and by_role:
                raise _contradiction(name, "set, but AWS_MSK_IAM signs in with AWS credentials")
            if name not in given and not by_role:
                raise _contradiction(name, f"not set, but {self.security_protocol} needs it")


class LakeSettings(Section):
    """Where the findings go. Bucket, region and account are empty until set."""

    bucket: Bucket = Field(
        default="", description="S3 bucket of the lake", examples=["my-security-lake"]
    )
    prefix: Prefix = Field(
        default="ext/falco", description="Prefix in the bucket, as registered for the custom source"
    )
    region: Region = Field(
        default="", description="AWS region of the bucket", examples=["eu-central-1"]
    )
    account_id: AccountId = Field(
        default="",
        description="AWS account that the findings belong to; outside AWS external or external_ID",
        examples=["123456789012"],
    )
    endpoint_url: Endpoint | None = Field(
        default=None,
        description="Endpoint of an S3 server other than AWS",
        examples=["http://localhost:8333"],
    )
    sts_endpoint_url: Endpoint | None = Field(
        default=None,
        description="Endpoint of STS, for role_arn; unset: AWS's own in the region",
        examples=["https://sts.eu-central-1.amazonaws.com"],
    )
    role_arn: RoleArn | None = Field(
        default=None,
        description="IAM role to assume for access to the bucket",
        examples=["arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-falco-eu-central-1"],
    )
    external_id: Name | None = Field(
        default=None,
        description="External id that the role's trust policy requires",
        examples=["falco"],
    )
    kms_key_id: Name | None = Field(
        default=None,
        description="KMS key that encrypts the objects",
        examples=["alias/security-lake"],
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.external_id is not None and self.role_arn is None:
            raise _contradiction("external_id", "set, but lake.role_arn is not")
        return self


class WindowSettings(Section):
    """When a window is sealed."""

    interval: Seconds = Field(
        default=300.0,
        le=86_400,
        description="Longest time before a window is sealed: 300, 300s or 5m",
    )
    max_bytes: Size = Field(
        default=256_000_000,
        le=1_500_000_000,
        validate_default=True,
        description="About how large an object may become: a window with so many records is sealed",
    )
    max_rows: int = Field(default=1_000_000, ge=1, description="Records that seal a window")

    @property
    def record_bytes(self) -> int:
        """Return how many bytes of records make an object of `max_bytes`.

        An object has about 0.3 of its records' bytes (docs/sizing.md). This is fixed, so that the
        windows of a gap that `replay` fills are a function of its records. No object is larger than
        its records: S3 takes at most 5 GiB in one put.
        """
        return self.max_bytes * 10 // 3


class StagingSettings(Section):
    """The local disk between Kafka and the lake."""

    path: FilePath = Field(
        default=Path("~/.local/state/falcolake"),
        validate_default=True,
        description="Directory for staging files, new or empty, for this worker only; "
        "~ is the home directory",
    )
    max_bytes: Size = Field(
        default=4_000_000_000,
        validate_default=True,
        description="Reading pauses when staging exceeds this",
    )
    min_free_bytes: Size = Field(
        default=1_000_000_000,
        validate_default=True,
        description="Reading pauses when the disk has less free space than this",
    )


class OcsfSettings(Section):
    """What the findings look like."""

    version: Literal["1.1.0", "1.3.0", "1.8.0"] = Field(
        default="1.1.0", description="OCSF version: 1.1.0, 1.3.0 or 1.8.0"
    )
    event_class: Annotated[Literal["detection_finding", "security_finding"], Lower] = Field(
        default="detection_finding",
        alias="class",
        description="OCSF class: detection_finding or security_finding",
    )


class ClusterSettings(Section):
    """The Kubernetes cluster that Falco runs in."""

    name: Short | None = None
    uid: Short | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not (self.name or self.uid):
            raise ValueError("a cluster has a name or a uid")
        return self


class DropSettings(Section):
    """Alerts to drop: those for which each condition that is given holds."""

    rule: Patterns = ()
    namespace: Patterns = ()
    image: Patterns = ()
    tag: Patterns = ()
    source: Patterns = ()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.model_fields_set or not any(
            getattr(self, name) for name in self.model_fields_set
        ):
            raise ValueError("a rule without a condition would drop every alert")
        return self


class MappingSettings(Section):
    """How an alert becomes a finding."""

    minimum_priority: Annotated[
        Literal[
            "emergency",
            "alert",
            "critical",
            "error",
            "warning",
            "notice",
            "informational",
            "debug",
        ],
        Priority,
    ] = Field(
        default="debug",
        description="Alerts below this priority are counted as filtered and not stored",
    )
    location: Annotated[Literal["settings", "alert"], Lower] = Field(
        default="settings",
        description="Region and account in object keys: the settings', or the alert's own if any",
    )
    product_version: Name | None = Field(
        default=None,
        description="Falco's version for the findings; alerts do not contain it",
        examples=["0.42.0"],
    )
    tenant_uid: Name | None = Field(
        default=None, description="Tenant id for the findings", examples=["acme"]
    )
    cloud_provider: Short | None = Field(
        default=None,
        description="Cloud that Falco runs in, for findings that name none: AWS, GCP, Azure, …; "
        "AWS if only account or region is set",
        examples=["AWS"],
    )
    cloud_account_id: Short | None = Field(
        default=None,
        description="Account, project or subscription that Falco runs in; for AWS by default "
        "lake.account_id",
        examples=["123456789012"],
    )
    cloud_region: Short | None = Field(
        default=None,
        description="Region that Falco runs in; for AWS by default lake.region",
        examples=["eu-central-1"],
    )
    cluster: Annotated[ClusterSettings, ClusterName] | None = Field(
        default=None,
        description="Kubernetes cluster that Falco runs in: its name, or name and uid",
        examples=[{"name": "prod", "uid": "arn:aws:eks:eu-central-1:123456789012:cluster/prod"}],
    )
    drop: Annotated[list[DropSettings], Field(max_length=100), Listed] | None = Field(
        default=None,
        description="Alerts that are counted as filtered and not stored: rules by rule, namespace, "
        "image, tag and source",
        examples=[[{"rule": "Contact K8S API Server*", "namespace": "kube-system"}]],
    )
    fields: Annotated[dict[Short, Short], Json] | None = Field(
        default=None,
        description="Custom fields of alerts, each with its place in the finding",
        examples=[{"env": "metadata.labels[]"}],
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.cloud == "AWS" and not re.fullmatch(r"\d{12}", self.cloud_account_id or "0" * 12):
            raise _contradiction(
                "cloud_account_id",
                "an AWS account id has 12 digits; set mapping.cloud_provider for another cloud",
            )
        return self

    @property
    def cloud(self) -> str | None:
        """The provider of the cloud that Falco runs in."""
        if self.cloud_account_id or self.cloud_region:
            return self.cloud_provider or "AWS"
        return self.cloud_provider


class WebSettings(Section):
    """The worker's web server: metrics, health, status page."""

    host: Name = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(
        default=6066, ge=0, le=65_535, description="Port to listen on; 0: any free port"
    )
    show_contents: bool = Field(
        default=False, description="Whether the status page shows the beginning of rejected records"
    )
    url: PageUrl | None = Field(
        default=None,
        description="This worker's page for people, which the pages of other workers link to",
        examples=["https://falco.example.com/falcolake-0/"],
    )


class ReceiveSettings(Section):
    """Where `falcolake receive` listens, whom it lets in, and its limits."""

    host: Name = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(
        default=2801,
        ge=0,
        le=65_535,
        description="Port to listen on, by default falcosidekick's; 0: any free port",
    )
    token: SecretStr | None = Field(
        default=None,
        description="What senders must present, as a bearer token or as the password in the URL",
        examples=["secret"],
    )
    tls_certificate: FilePath | None = Field(
        default=None,
        description="Certificate to listen with TLS, PEM, with its chain",
        examples=["/etc/falcolake/receive.pem"],
    )
    tls_key: FilePath | None = Field(
        default=None,
        description="Key of the certificate, PEM, if it is in another file",
        examples=["/etc/falcolake/receive.key"],
    )
    tls_client_ca: FilePath | None = Field(
        default=None,
        description="CA certificates, PEM; senders must then present a certificate of theirs",
        examples=["/etc/falcolake/clients.pem"],
    )
    max_request_bytes: Size = Field(
        default=5_000_000,
        le=100_000_000,
        validate_default=True,
        description="Largest request that is taken",
    )
    max_bytes_in_flight: Size = Field(
        default=64_000_000,
        validate_default=True,
        description="Bytes of requests that may wait for Kafka; further requests wait for room",
    )
    timeout: Seconds = Field(
        default=60.0,
        le=3600,
        description="How long a request waits for Kafka until it is answered 503",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        token = "-" if self.token is None else self.token.get_secret_value()
        if not (token.isascii() and token.isprintable() and token and " " not in token):
            raise _contradiction("token", "a token has printable ASCII characters without spaces")
        for name in ("tls_key", "tls_client_ca"):
            if getattr(self, name) is not None and self.tls_certificate is None:
                raise _contradiction(name, "set, but receive.tls_certificate is not")
        if self.max_bytes_in_flight < 2 * self.max_request_bytes:
            raise _contradiction("max_bytes_in_flight", "at least twice receive.max_request_bytes")
        return self


class LogSettings(Section):
    """What `worker` and `receive` log, to standard error."""

    format: Annotated[Literal["text", "json"], Lower] = Field(
        default="text", description="Log format: text, or json (one object per line)"
    )
    level: Annotated[Literal["debug", "info", "warning", "error"], Lower] = Field(
        default="info",
        description="Log level: debug, info, warning or error; info logs one line per window",
    )
