"""Alerts as Falco's sources print them, and the forms that they arrive in."""

from __future__ import annotations

import json
from typing import Any

PLAIN: dict[str, Any] = {
    "rule": "Anything",
    "priority": "Notice",
    "time": "2026-07-04T20:46:44.180672852Z",
}
"""Only the keys that every alert has."""

SMALL: dict[str, Any] = {
    "hostname": "node-1",
    "output": "Something happened",
    "output_fields": {"proc.name": "sh"},
    "priority": "Warning",
    "rule": "Something",
    "source": "syscall",
    "tags": ["T1059"],
    "time": "2026-07-04T20:46:44.180672852Z",
}
"""All the keys that Falco prints, and one field."""

SHELL: dict[str, Any] = {
    "hostname": "ip-10-0-12-34.ec2.internal",
    "output": "14:03:27.123456789: Notice A shell was spawned in a container with an attached "
    'terminal | user=root process=bash command=bash -c "id; ls > /tmp/x" terminal=34816',
    "output_fields": {
        "container.full_id": "3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e",
        "container.id": "3ad7b26ded6d",
        "container.image.digest": "sha256:" + "d977378f890d445c15e51795296e4e50" * 2,
        "container.image.repository": "docker.io/library/nginx",
        "container.image.tag": "1.27",
        "container.name": "web",
        "container.privileged": False,
        "container.type": "containerd",
        "evt.arg.flags": "EXE_WRITABLE|EXE_LOWER_LAYER",
        "evt.res": "SUCCESS",
        "evt.time": 1795442607123456789,
        "evt.type": "execve",
        "group.gid": 0,
        "group.name": "root",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-7d9c5b8f6d-x2k4q",
        "k8s.pod.uid": "3e41dc6b-08a8-44db-bc2a-3724b18ab19a",
        "k8smeta.deployment.name": "web",
        "proc.aname[2]": "containerd-shim",
        "proc.aname[3]": "systemd",
        "proc.cmdline": 'bash -c "id; ls > /tmp/x"',
        "proc.cwd": "/root/",
        "proc.exe": "bash",
        "proc.exepath": "/usr/bin/bash",
        "proc.is_exe_upper_layer": False,
        "proc.name": "bash",
        "proc.pcmdline": "runc init",
        "proc.pexepath": "/usr/bin/runc",
        "proc.pid": 23987,
        "proc.pid.ts": 1795442607120000000,
        "proc.pname": "runc",
        "proc.ppid": 23950,
        "proc.sid": 1,
        "proc.tty": 34816,
        "proc.vpid": 57,
        "thread.tid": 23987,
        "user.loginname": "<NA>",
        "user.loginuid": -1,
        "user.name": "root",
        "user.uid": 0,
    },
    "priority": "Notice",
    "rule": "Terminal shell in container",
    "source": "syscall",
    "tags": ["T1059", "container", "maturity_stable", "mitre_execution", "shell"],
    "time": "2026-11-23T14:03:27.123456789Z",
}

CONNECTION: dict[str, Any] = {
    "output": "10:37:09.101509967: Notice Unexpected connection to K8s API Server from container",
    "priority": "Notice",
    "rule": "Contact K8S API Server From Container",
    "time": "2021-07-21T10:37:09.101509967Z",
    "output_fields": {
        "container.id": "281c99ea33c2",
        "container.image.repository": "fission/fetcher",
        "container.image.tag": "1.13.1",
        "evt.time": 1626863829101509967,
        "evt.type": "connect",
        "fd.l4proto": "tcp",
        "fd.lport": 39526,
        "fd.name": "192.168.43.223:39526->10.100.0.1:443",
        "fd.rport": 443,
        "fd.type": "ipv4",
        "k8s.ns.name": "fission-function",
        "k8s.pod.name": "poolmgr-go-default-516098-5bdbf8c8f5-g8gvc",
        "proc.cmdline": "fetcher -secret-dir /secrets",
    },
}

FILE: dict[str, Any] = {
    "hostname": "node_1",
    "output": "Warning Sensitive file opened for reading by non-trusted program (file=/etc/shadow)",
    "output_fields": {
        "container.id": "host",
        "container.name": "host",
        "evt.time.iso8601": 1783198004180672852,
        "evt.type": "openat",
        "fd.name": "/etc/shadow",
        "k8s.ns.name": None,
        "k8s.pod.name": None,
        "proc.cmdline": "cat /etc/shadow",
        "proc.name": "cat",
        "user.loginuid": 1000,
        "user.name": "alice",
        "user.uid": 1000,
    },
    "priority": "Warning",
    "rule": "Read sensitive file untrusted",
    "source": "syscall",
    "tags": ["T1555", "filesystem", "host", "maturity_stable", "mitre_credential_access"],
    "time": "2026-07-04T20:46:44.180672852Z",
}

KUBERNETES: dict[str, Any] = {
    "hostname": "falco-k8saudit-6b7f9-abcde",
    "output": "14:05:11.250000000: Warning Pod started with privileged container",
    "output_fields": {
        "evt.time": 1795442711250000000,
        "ka.auditid": "f47c68f2-d3ac-4f96-b2f4-5d497bf79b64",
        "ka.auth.decision": "allow",
        "ka.auth.reason": 'RBAC: allowed by ClusterRoleBinding "ci-deployer"',
        "ka.cluster.name": "prod-eu-1",
        "ka.req.pod.containers.image": ["docker.io/library/alpine:3.20"],
        "ka.req.pod.containers.name": ["debug"],
        "ka.req.pod.containers.privileged": ["true"],
        "ka.response.code": "201",
        "ka.response.reason": None,
        "ka.sourceips": ["203.0.113.24", "10.0.0.7"],
        "ka.stage": "ResponseComplete",
        "ka.target.name": "debug-tools",
        "ka.target.namespace": "kube-system",
        "ka.target.resource": "pods",
        "ka.uri": "/api/v1/namespaces/kube-system/pods",
        "ka.user.groups": ["system:serviceaccounts", "system:authenticated"],
        "ka.user.name": "system:serviceaccount:ci:deployer",
        "ka.useragent": "kubectl/v1.31.2",
        "ka.verb": "create",
    },
    "priority": "Warning",
    "rule": "Create Privileged Pod",
    "source": "k8s_audit",
    "tags": ["k8s"],
    "time": "2026-11-23T14:05:11.250000000Z",
}

CLOUDTRAIL: dict[str, Any] = {
    "hostname": "falco-cloudtrail-0",
    "output": "14:07:42.000000000: Warning The encryption configuration for a bucket was deleted",
    "output_fields": {
        "ct.eventcategory": "Management",
        "ct.id": "71c88be9-ea5c-43c7-8c82-6e4f3d0a9b11",
        "ct.name": "DeleteBucketEncryption",
        "ct.recipientaccountid": "123456789012",
        "ct.region": "eu-west-1",
        "ct.request": '{"bucketName":"acme-customer-exports","encryption":""}',
        "ct.requestid": "1C8A622042634763",
        "ct.shortsrc": "s3",
        "ct.src": "s3.amazonaws.com",
        "ct.srcip": "198.51.100.77",
        "ct.tlsdetails.ciphersuite": "TLS_AES_128_GCM_SHA256",
        "ct.tlsdetails.tlsversion": "TLSv1.3",
        "ct.user": "alice",
        "ct.user.accountid": "123456789012",
        "ct.user.arn": "arn:aws:iam::123456789012:user/alice",
        "ct.user.identitytype": "IAMUser",
        "ct.user.principalid": "AIDAEXAMPLEALICE0001",
        "ct.useragent": "aws-cli/2.17.1",
        "evt.pluginname": "cloudtrail",
        "evt.time": 1795442862000000000,
        "s3.bucket": "acme-customer-exports",
    },
    "priority": "Warning",
    "rule": "Delete Bucket Encryption",
    "source": "aws_cloudtrail",
    "tags": ["aws", "aws_s3", "cloud"],
    "time": "2026-11-23T14:07:42.000000000Z",
}

GOOGLE: dict[str, Any] = {
    "output": "Notice GCP bucket made public",
    "output_fields": {
        "gcp.authorizationInfo": '[{"granted":true,"permission":"storage.buckets.setIamPolicy"}]',
        "gcp.callerIP": "2001:db8::7",
        "gcp.location": "europe-west1",
        "gcp.methodName": "storage.setIamPermissions",
        "gcp.policyDelta": '{"bindingDeltas":[]}',
        "gcp.projectId": "acme-prod",
        "gcp.resourceLabels": '{"team":"data"}',
        "gcp.resourceType": "gcs_bucket",
        "gcp.serviceName": "storage.googleapis.com",
        "gcp.storage.bucket": "exports",
        "gcp.user": "alice@example.com",
        "gcp.userAgent": "gcloud",
    },
    "priority": "Critical",
    "rule": "GCP Bucket made public",
    "source": "gcp_auditlog",
    "tags": [],
    "time": "2026-11-23T14:07:42Z",
}

OKTA: dict[str, Any] = {
    "hostname": "falco-okta-0",
    "output": "14:07:31.295984000: Notice A new OKTA user account created",
    "output_fields": {
        "okta.actor.alternateid": "admin@example.com",
        "okta.actor.name": "Ada Min",
        "okta.client.geo.city": "Paris",
        "okta.client.geo.country": "France",
        "okta.client.geo.lat": "48.85",
        "okta.client.geo.lon": "2.35",
        "okta.client.ip": "203.0.113.7",
        "okta.evt.type": "user.lifecycle.create",
        "okta.result": "SUCCESS",
        "okta.security.asnumber": 3215,
        "okta.target.user.alternateid": "bob@example.com",
        "okta.target.user.name": "Bob",
    },
    "priority": "Notice",
    "rule": "Creating a new OKTA user account",
    "source": "okta",
    "tags": ["okta"],
    "time": "2022-03-31T14:07:31.295984000Z",
}

GITHUB: dict[str, Any] = {
    "hostname": "falco-github-0",
    "output": "Critical One or more secrets were pushed to a repository",
    "output_fields": {
        "github.diff.committed_secrets.files": ["config/aws.env", "k8s/secret.yaml"],
        "github.diff.has_secrets": "true",
        "github.org": "acme",
        "github.repo.name": "acme/shop",
        "github.repo.url": "https://github.com/acme/shop",
        "github.type": "push",
        "github.user": "alice",
    },
    "priority": "Critical",
    "rule": "Secret pushed into a public repository",
    "source": "github",
    "tags": ["github"],
    "time": "2026-11-23T14:07:42.5Z",
}

INTERNAL: dict[str, Any] = {
    "hostname": "node-1",
    "output": "Falco internal: syscall event drop. 815508 system calls dropped in last second.",
    "output_fields": {"n_drops": 815508, "n_evts": 2270350},
    "priority": "Debug",
    "rule": "Falco internal: syscall event drop",
    "time": "2023-03-03T03:03:03.000000003Z",
}

SAMPLES = {
    "shell": SHELL,
    "connection": CONNECTION,
    "file": FILE,
    "kubernetes": KUBERNETES,
    "cloudtrail": CLOUDTRAIL,
    "google": GOOGLE,
    "okta": OKTA,
    "github": GITHUB,
    "internal": INTERNAL,
}


# falcosidekick's own order; it leaves out empty values.
ORDER = (
    "uuid",
    "output",
    "priority",
    "rule",
    "time",
    "output_fields",
    "source",
    "tags",
    "hostname",
)


def alert(number: int = 5, day: str = "2026-01-02", **changes: object) -> bytes:
    """Return a small, valid alert; the number makes it different from the others."""
    fields = {"proc.name": f"p{number}", "evt.num": number, "user.name": "root"}
    known = {
        "rule": "Terminal shell in container",
        "priority": "Notice",
        "time": f"{day}T03:04:{number % 60:02d}.{number % 1000:03d}000000Z",
        "hostname": "node-1",
        "output": f"shell {number}",
        "source": "syscall",
        "tags": ["mitre_execution"],
        "output_fields": fields,
    }
    return json.dumps(known | changes).encode()


def native(alert: Any) -> bytes:
    """Return an alert as Falco writes it."""
    return json.dumps(alert, separators=(",", ":"), ensure_ascii=False).encode()


def falcosidekick(alert: dict[str, Any]) -> bytes:
    """Return an alert as falcosidekick's Kafka output writes it: its order, uuid and escapes."""
    given = {**alert, "uuid": "bcc55fc3-c0ab-434f-9921-d76f232ce0aa"}
    given["source"] = alert.get("source") or "syscalls"
    given["output_fields"] = dict(sorted(alert["output_fields"].items()))
    second, _, fraction = alert["time"].removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    given["time"] = f"{second}.{fraction}Z" if fraction else f"{second}Z"
    text = json.dumps({key: given[key] for key in ORDER if given.get(key)}, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def fluent_bit(record: bytes, key: str | None, *, as_text: bool) -> bytes:
    """Return a record as Fluent Bit's Kafka output wraps it: under a key, or at the top level."""
    alert = json.loads(record)
    stamp = {"@timestamp": 1795442607.123457}
    if key is None:
        return json.dumps(stamp | alert).encode()
    return json.dumps(stamp | {key: record.decode() if as_text else alert}).encode()
