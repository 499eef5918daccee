"""Scenes of the plugins that read another service's audit log, and of Falco's internal alerts."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from streams.samples.scenes import Rule, Scene, Value, rule
from streams.samples.world import ACCOUNT_ID, PROJECT, REGION, Person, World


@dataclass(frozen=True, slots=True)
class Event:
    """An audit event: the rule it trips and what only this event says."""

    rule: Rule
    more: Mapping[str, Value]


Cases = tuple[Event, ...]

_AWS = "(requesting user=%ct.user, requesting IP=%ct.srcip, AWS region=%ct.region"
AWS_EXTRA = (
    "ct.id", "ct.name", "ct.src", "ct.error", "ct.requestid", "ct.useragent", "ct.user.arn",
    "ct.user.accountid", "ct.user.identitytype", "ct.user.principalid", "ct.readonly",
    "ct.managementevent",
)  # fmt: skip
AWS: Cases = (
    Event(rule("Console Login Without MFA", "Critical", "aws aws_console aws_iam cloud",
        "Detected a console login without MFA " + _AWS + ")"),
        {"ct.name": "ConsoleLogin", "ct.src": "signin.amazonaws.com"}),
    Event(rule("Console Root Login Without MFA", "Critical", "aws aws_console aws_iam cloud",
        "Detected a root console login without MFA. " + _AWS + ")"),
        {"ct.name": "ConsoleLogin", "ct.src": "signin.amazonaws.com", "ct.user": "root",
         "ct.user.arn": f"arn:aws:iam::{ACCOUNT_ID}:root", "ct.user.identitytype": "Root",
         "ct.user.principalid": ACCOUNT_ID}),
    Event(rule("Create AWS user", "Informational", "aws aws_iam cloud",
        "A new AWS user has been created " + _AWS + ", new user created=%ct.request.username)"),
        {"ct.name": "CreateUser", "ct.src": "iam.amazonaws.com",
         "ct.request.username": "backup-2"}),
    Event(rule("Create Lambda Function", "Warning", "aws aws_lambda cloud",
        "Lambda function has been created. "
        + _AWS + ", lambda function=%ct.request.functionname)"),
        {"ct.name": "CreateFunction20150331", "ct.src": "lambda.amazonaws.com",
         "ct.request.functionname": "thumbnailer"}),
    Event(rule("Run Instances", "Warning", "aws aws_ec2 cloud",
        "A number of instances have been launched. " + _AWS + ", availability zone="
        "%ct.request.availabilityzone, subnet id=%ct.response.subnetid,"
        " reservation id=%ct.response.reservationid)"),
        {"ct.name": "RunInstances", "ct.src": "ec2.amazonaws.com",
         "ct.request.availabilityzone": f"{REGION}a", "ct.response.subnetid": "subnet-0a1b2c3d",
         "ct.response.reservationid": "r-~hex~"}),
    Event(rule("Delete Bucket Encryption", "Critical", "aws aws_s3 cloud",
        "A encryption configuration for a bucket has been deleted "
        + _AWS + ", bucket=%s3.bucket)"),
        {"ct.name": "DeleteBucketEncryption", "ct.src": "s3.amazonaws.com",
         "s3.bucket": "acme-customer-exports"}),
    Event(rule("Put Bucket ACL", "Warning", "aws aws_s3 cloud",
        "The permissions on an existing bucket have been set using access control lists. " + _AWS
        + ", bucket name=%s3.bucket)"),
        {"ct.name": "PutBucketAcl", "ct.src": "s3.amazonaws.com", "s3.bucket": "acme-static-web"}),
    Event(rule("CloudTrail Logging Disabled", "Warning", "aws aws_cloudtrail cloud",
        "The CloudTrail logging has been disabled. " + _AWS + ", resource name=%ct.request.name)"),
        {"ct.name": "StopLogging", "ct.src": "cloudtrail.amazonaws.com",
         "ct.request.name": f"arn:aws:cloudtrail:{REGION}:{ACCOUNT_ID}:trail/main"}),
)  # fmt: skip

OKTA_EXTRA = (
    "okta.evt.type", "okta.severity", "okta.actor.id", "okta.actor.alternateid", "okta.client.ip",
    "okta.client.geo.city", "okta.client.geo.country", "okta.useragent.raw", "okta.result",
    "okta.transaction.id", "okta.org",
)  # fmt: skip
_BY = "(user=%okta.actor.name, ip=%okta.client.ip"
OKTA: Cases = (
    Event(rule("User has been locked out in OKTA", "Notice", "okta",
        "A user has been locked out in OKTA " + _BY + ")"),
        {"okta.evt.type": "user.account.lock", "okta.result": "FAILURE"}),
    Event(rule("Creating a new OKTA user account", "Notice", "okta",
        "A new OKTA user account created (user=%okta.actor.name,"
        " target user=%okta.target.user.name)"),
        {"okta.evt.type": "user.lifecycle.create"}),
    Event(rule("Creating a new OKTA API token", "Notice", "okta",
        "A new OKTA API token has been created in OKTA " + _BY + ")"),
        {"okta.evt.type": "system.api_token.create"}),
    Event(rule("User accessing OKTA admin section", "Notice", "okta",
        "A user accessed the OKTA admin section of your OKTA instance " + _BY + ")"),
        {"okta.evt.type": "user.session.access_admin_app"}),
    Event(rule("removing MFA factor from user in OKTA", "Notice", "okta",
        "A user has removed MFA factor in the OKTA account " + _BY + ")"),
        {"okta.evt.type": "user.mfa.factor.deactivate"}),
    Event(rule("Detecting unknown logins using geolocation", "Notice", "okta",
        "A user logged in OKTA from a suspicious country " + _BY
        + ", country=%okta.client.geo.country)"), {"okta.evt.type": "user.session.start"}),
)  # fmt: skip

GITHUB_EXTRA = ("github.type", "github.action", "github.repo.public", "github.repo.name")
_REPOSITORY = "(repository=%github.repo repo_owner=%github.owner org=%github.org user=%github.user"
GITHUB: Cases = (
    Event(rule("Private Repository Becoming Public", "Critical", "",
        "A repository went from private to public " + _REPOSITORY + ") "),
        {"github.type": "repository", "github.action": "publicized"}),
    Event(rule("Create Repository", "Informational", "",
        "A new repository was created " + _REPOSITORY + ") "),
        {"github.type": "repository", "github.action": "created"}),
    Event(rule("Add Collaborator to Repository", "Informational", "",
        "A collaborator was added to a repository " + _REPOSITORY
        + " collaborator=%github.collaborator.name role=%github.collaborator.role) "),
        {"github.type": "member", "github.action": "added", "github.collaborator.name": "octo-temp",
         "github.collaborator.role": "admin"}),
    Event(rule("Secret pushed into a private repository", "Critical", "",
        "One or more secrets were pushed into a private repository " + _REPOSITORY
        + " secret_types=%github.diff.committed_secrets.desc"
        " file=%github.diff.committed_secrets.files line=%github.diff.committed_secrets.lines"
        " url=%github.diff.committed_secrets.links) "),
        {"github.type": "push", "github.action": None,
         "github.diff.committed_secrets.desc": "AWS API Key",
         "github.diff.committed_secrets.files": "deploy/values.yaml",
         "github.diff.committed_secrets.lines": "17",
         "github.diff.committed_secrets.links": "https://github.com/acme/infra/blob/main/deploy"}),
    Event(rule("Github action with miners", "Critical", "",
        "a github action containing crypto miners was executed " + _REPOSITORY
        + " file=%github.workflow.filename)"),
        {"github.type": "workflow_run", "github.action": "requested",
         "github.workflow.filename": ".github/workflows/build.yml"}),
)  # fmt: skip

GCP_EXTRA = ("gcp.methodName", "gcp.serviceName", "gcp.projectId", "gcp.resourceName",
             "gcp.location")  # fmt: skip
_GCP = (
    "by user=%gcp.user userIP=%gcp.callerIP userAgent=%gcp.userAgent"
    " authorizationInfo=%gcp.authorizationInfo rawRequest=%gcp.request"
)
_IN = "project=%json.value[/resource/labels/project_id] "
_BUCKET = " bucketName=%json.value[/resource/labels/bucket_name]"
GCP: Cases = (
    Event(rule("GCP Bucket configured to be public", "Critical", "GCP buckets compliance",
        _IN + "A GCP bucket access granted to be public " + _GCP + _BUCKET),
        {"gcp.methodName": "storage.setIamPermissions", "gcp.serviceName": "storage.googleapis.com",
         "json.value[/resource/labels/bucket_name]": "acme-images"}),
    Event(rule("GCP Bucket deleted", "Notice", "GCP buckets mitre_data_destruction",
        _IN + "A GCS bucket has been deleted " + _GCP + _BUCKET),
        {"gcp.methodName": "storage.buckets.delete", "gcp.serviceName": "storage.googleapis.com",
         "json.value[/resource/labels/bucket_name]": "acme-old-logs"}),
    Event(rule("GCP VM stopped", "Notice", "GCP T1562-impair-defenses TA0005-defense-evasion VM",
        _IN + "A GCP VM has ben stopped " + _GCP),
        {"gcp.methodName": "v1.compute.instances.stop",
         "gcp.serviceName": "compute.googleapis.com"}),
    Event(rule("GCP GCE Firewall rule modified", "Notice",
        "Firewall GCP T1562-impair-defenses TA0005-defense-evasion",
        _IN + "A GCP GCE Firewall rule modified " + _GCP),
        {"gcp.methodName": "v1.compute.firewalls.patch",
         "gcp.serviceName": "compute.googleapis.com"}),
    Event(rule("GCP IAM serviceAccount created", "Notice",
        "GCP IAM abuse-elevation-control-mechanism", _IN + "A GCP serviceAccount created " + _GCP),
        {"gcp.methodName": "google.iam.admin.v1.CreateServiceAccount",
         "gcp.serviceName": "iam.googleapis.com"}),
)  # fmt: skip


def cloudtrail(world: World, rng: random.Random) -> Iterator[Scene]:
    """Yield scenes of AWS CloudTrail, read by the cloudtrail plugin."""
    yield from _scenes("aws_cloudtrail", "falco-cloudtrail-0", AWS, AWS_EXTRA, _aws, world, rng)


def okta(world: World, rng: random.Random) -> Iterator[Scene]:
    """Yield scenes of Okta's system log."""
    yield from _scenes("okta", "falco-okta-0", OKTA, OKTA_EXTRA, _okta, world, rng)


def github(world: World, rng: random.Random) -> Iterator[Scene]:
    """Yield scenes of GitHub's webhooks; its stock rules have no tags."""
    yield from _scenes("github", "falco-github-0", GITHUB, GITHUB_EXTRA, _github, world, rng)


def gcp(world: World, rng: random.Random) -> Iterator[Scene]:
    """Yield scenes of Google Cloud's audit log."""
    yield from _scenes("gcp_auditlog", "falco-gcp-0", GCP, GCP_EXTRA, _gcp, world, rng)


def internal(world: World, rng: random.Random) -> Iterator[Scene]:
    """Yield Falco's internal alerts on some nodes: dropped events and metrics, without tags."""
    name = "Falco internal: syscall event drop"
    drops = rule(name, "Debug", "", f"{name}. 815508 system calls dropped in last second.")
    name = "Falco internal: metrics snapshot"
    metrics = rule(name, "Informational", "", "Falco metrics snapshot")
    for node in (*rng.sample(world.nodes, 4), world.hosts[2]):
        dropped: dict[str, Value] = {
            "n_drops": 815508, "n_drops_buffer_total": 815508, "n_drops_bug": 0,
            "n_drops_page_faults": 0, "n_evts": 2270350, "ebpf_enabled": "1",
        }  # fmt: skip
        yield Scene(drops, "internal", node.name, node.release, dropped)
        if node.release == "old":
            continue
        measured: dict[str, Value] = {
            "evt.hostname": node.name, "evt.source": "syscall", "evt.time": "~ns~",
            "falco.version": "0.43.0", "falco.kernel_release": "6.1.119-129.201.amzn2023.x86_64",
            "falco.host_num_cpus": 8, "falco.duration_sec": 86400, "falco.start_ts": "~born~",
            "falco.num_evts": "~num~", "falco.evts_rate_sec": 18273.4, "falco.cpu_usage_perc": 2.7,
            "falco.memory_rss_mb": 131.6, "falco.outputs_queue_num_drops": 0,
            "scap.engine_name": "modern_bpf", "scap.n_drops": 0, "scap.n_drops_perc": 0.0,
        }  # fmt: skip
        yield Scene(metrics, "internal", node.name, node.release, measured)


def _scenes(
    source: str,
    hostname: str,
    cases: Cases,
    extra: tuple[str, ...],
    common: Callable[[Person, Person], dict[str, Value]],
    world: World,
    rng: random.Random,
) -> Iterator[Scene]:
    for event in cases:
        for person in rng.sample(world.people, 3):
            values = {**common(person, rng.choice(world.people)), **event.more}
            yield Scene(event.rule, source, hostname, "rich", values, extra)


def _aws(person: Person, _: Person) -> dict[str, Value]:
    return {
        "ct.id": "~id~", "ct.requestid": "~hex~", "ct.error": None, "ct.region": REGION,
        "ct.srcip": person.ip, "ct.useragent": "aws-cli/2.17.1 md/Botocore#1.35.2",
        "ct.user": person.login, "ct.user.arn": f"arn:aws:iam::{ACCOUNT_ID}:user/{person.login}",
        "ct.user.accountid": ACCOUNT_ID, "ct.user.identitytype": "IAMUser",
        "ct.user.principalid": f"AIDAEXAMPLE{person.login.upper()}01", "ct.readonly": "false",
        "ct.managementevent": "true",
    }  # fmt: skip


def _okta(person: Person, other: Person) -> dict[str, Value]:
    return {
        "okta.severity": "INFO", "okta.actor.id": f"00u{person.login}5d7", "okta.org": "acme",
        "okta.actor.name": person.name, "okta.actor.alternateid": person.mail,
        "okta.client.ip": person.ip, "okta.client.geo.city": person.city,
        "okta.client.geo.country": person.country, "okta.result": "SUCCESS",
        "okta.useragent.raw": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Firefox/133.0",
        "okta.transaction.id": "~hex~", "okta.target.user.name": other.name,
    }  # fmt: skip


def _github(person: Person, _: Person) -> dict[str, Value]:
    return {
        "github.user": person.login, "github.org": "acme", "github.owner": "acme",
        "github.repo": "https://github.com/acme/infra", "github.repo.name": "infra",
        "github.repo.public": "false",
    }  # fmt: skip


def _gcp(person: Person, _: Person) -> dict[str, Value]:
    return {
        "gcp.user": person.mail, "gcp.callerIP": person.ip, "gcp.projectId": PROJECT,
        "gcp.userAgent": "google-cloud-sdk gcloud/502.0.0 command/gcloud.storage",
        "gcp.authorizationInfo": '[{"granted":true,"permission":"storage.buckets.update"}]',
        "gcp.request": '{"@type":"type.googleapis.com/google.protobuf.Empty"}',
        "gcp.location": "europe-west1", "gcp.resourceName": f"projects/{PROJECT}",
        "json.value[/resource/labels/project_id]": PROJECT,
    }  # fmt: skip
