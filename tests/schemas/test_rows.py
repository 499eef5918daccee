"""Where each Falco field goes: one line for each row of the mapping, at both releases."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.explain import explain
from schemas.mapping import Mapping, Options
from schemas.ocsf.columns import paths
from schemas.sources.scene import ROWS, rows_of
from tests.schemas.fields import encode

NOW = 1_783_198_004_180
UID = "3e41dc6b-08a8-44db-bc2a-3724b18ab19a"
HEX = "ab" * 32
OLD, NEW = MAPPINGS = tuple(Mapping(Options(ocsf_version=v)) for v in ("1.1.0", "1.8.0"))
LEGACY = Mapping(Options(event_class="security_finding"))
CONTAINER = {"container.id": "3ad7b26ded6d"}
POD = {"k8s.pod.name": "web-x"}
VERB = {"ka.verb": "create"}
KA_USER = {"ka.user.name": "alice"}
CALL = {"ct.name": "DeleteBucket"}
CT_USER = {"ct.user": "alice"}
METHOD = {"gcp.methodName": "storage.delete"}
OKTA = {"okta.evt.type": "user.session.start"}
CLIENT = {"okta.client.ip": "203.0.113.7"}
TARGET = {"ka.target.name": "web"}

E, P, PARENT = "evidences.0", "evidences.0.process", "evidences.0.process.parent_process"
C_OLD, C_NEW = f"{P}.container", f"{E}.container"
REQUEST, RESPONSE = f"{E}.api.request", f"{E}.api.response"
USER, SRC, DST, INFO = (
    f"{E}.actor.user",
    f"{E}.src_endpoint",
    f"{E}.dst_endpoint",
    f"{E}.connection_info",
)
UNMAPPED = "unmapped"
REPEATING = ("container.label.app", "s3.uri")
SAME = object()

# Field, its value, what else the alert has, then for both releases or for 1.1.0 and 1.8.0: the path
# in the finding and what stands there (SAME: the value itself).
Expected = tuple[str, Any]
TABLE: list[tuple[str, Any, dict[str, Any], Expected, Expected | None]] = [
    ("evt.hostname", "node-1", {}, ("device.hostname", SAME), None),
    ("evt.source", "okta", {"source": None}, ("metadata.log_name", SAME), None),
    ("evt.pluginname", "json", {}, ("metadata.product.feature.name", SAME), None),
    ("evt.time", NOW * 10**6, {"time": None}, ("time", NOW), None),
    ("evt.time.iso8601", NOW * 10**6, {"time": None}, ("time", NOW), None),
    ("evt.datetime", NOW * 10**6, {"time": None}, ("time", NOW), None),
    ("evt.rawtime", NOW * 10**6, {"time": None}, ("time", NOW), None),
    ("ct.time", "2026-07-04T20:46:44.180672852Z", {}, ("unmapped", None), None),
    ("okta.published", "2026-07-04T20:46:44.180672852Z", {}, ("unmapped", None), None),
    ("gcp.time", "2020-07-04T20:46:44Z", {}, (UNMAPPED, SAME), None),
    # Containers and workloads.
    ("container.id", "3ad7b26ded6d", {}, (f"{C_OLD}.uid", SAME), (f"{C_NEW}.uid", SAME)),
    ("container.full_id", HEX, {}, (f"{C_OLD}.uid", SAME), (f"{C_NEW}.uid", SAME)),
    ("container.name", "web", {}, (f"{C_OLD}.name", SAME), (f"{C_NEW}.name", SAME)),
    ("container.type", "cri-o", CONTAINER, (f"{C_OLD}.runtime", SAME), (f"{C_NEW}.runtime", SAME)),
    (
        "container.image",
        "nginx:1",
        CONTAINER,
        (f"{C_OLD}.image.name", SAME),
        (f"{C_NEW}.image.name", SAME),
    ),
    (
        "container.image.repository",
        "nginx",
        CONTAINER,
        (f"{C_OLD}.image.name", SAME),
        (f"{C_NEW}.image.name", SAME),
    ),
    (
        "container.image.id",
        "sha256:1",
        CONTAINER,
        (f"{C_OLD}.image.uid", SAME),
        (f"{C_NEW}.image.uid", SAME),
    ),
    (
        "container.image.tag",
        "1.27",
        {**CONTAINER, "container.image.repository": "nginx"},
        (f"{C_OLD}.image.tag", SAME),
        (f"{C_NEW}.image.labels", ["1.27"]),
    ),
    (
        "container.image.digest",
        "sha256:" + HEX,
        CONTAINER,
        (f"{C_OLD}.hash.value", HEX),
        (f"{C_NEW}.hash.value", HEX),
    ),
    (
        "container.labels",
        "a=1,b=2",
        CONTAINER,
        (UNMAPPED, SAME),
        (f"{C_NEW}.labels", ["a=1", "b=2"]),
    ),
    (
        "container.label.app",
        "web",
        {**CONTAINER, "container.labels": "a:1,app:web"},
        (UNMAPPED, SAME),
        (f"{C_NEW}.labels", ["a:1", "app:web"]),
    ),
    (
        "container.label[app]",
        "web",
        CONTAINER,
        (UNMAPPED, SAME),
        (f"{C_NEW}.labels", ["app:web"]),
    ),
    ("container.label.app", "web", CONTAINER, (UNMAPPED, SAME), (f"{C_NEW}.labels", ["app:web"])),
    ("k8s.pod.name", "web-x", {}, ("resources.0.name", SAME), None),
    ("k8smeta.pod.name", "web-x", {}, ("resources.0.name", SAME), None),
    ("k8s.pod.uid", UID, CONTAINER, (f"{C_OLD}.pod_uuid", SAME), (f"{C_NEW}.pod_uuid", SAME)),
    ("k8smeta.pod.uid", UID, {}, ("resources.0.uid", SAME), None),
    ("k8smeta.pod.uid", UID, CONTAINER, (f"{C_OLD}.pod_uuid", SAME), (f"{C_NEW}.pod_uuid", SAME)),
    ("k8s.pod.id", UID, {}, ("resources.0.uid", SAME), None),
    ("k8s.pod.labels", "a=1,b=2", POD, ("resources.0.labels", ["a=1", "b=2"]), None),
    ("k8smeta.pod.labels", "a=1", POD, ("resources.0.labels", ["a=1"]), None),
    ("k8s.ns.name", "shop", POD, ("resources.0.namespace", SAME), None),
    ("k8smeta.ns.name", "shop", POD, ("resources.0.namespace", SAME), None),
    *(
        (f"{meta}.{short}.{name}", "web", {}, (f"resources.0.{to}", SAME), None)
        for short in ("deployment", "rs", "rc", "svc")
        for meta, name, to in (
            ("k8s", "name", "name"),
            ("k8smeta", "name", "name"),
            ("k8s", "id", "uid"),
            ("k8smeta", "uid", "uid"),
        )
    ),
    # Processes and users.
    ("proc.name", "bash", {}, (f"{P}.name", SAME), None),
    ("proc.pid", 23987, {}, (f"{P}.pid", SAME), ("actor.process.pid", SAME)),
    ("proc.exepath", "/usr/bin/bash", {}, (f"{P}.file.path", SAME), (f"{P}.path", SAME)),
    ("proc.exe", "/bin/sh", {}, (f"{P}.file.path", SAME), None),
    ("proc.cmdline", "bash -i", {}, (f"{P}.cmd_line", SAME), ("actor.process.cmd_line", SAME)),
    ("proc.exeline", "bash -i", {}, (f"{P}.cmd_line", SAME), None),
    ("proc.vpid", 57, {}, (f"{P}.namespace_pid", SAME), None),
    ("thread.tid", 23987, {}, (f"{P}.tid", SAME), (f"{P}.ptid", SAME)),
    ("thread.tid", 2**31, {}, (UNMAPPED, "2147483648"), (f"{P}.ptid", SAME)),
    ("proc.cwd", "/root/", {}, (UNMAPPED, SAME), (f"{P}.working_directory", SAME)),
    ("proc.pid.ts", NOW * 10**6 + 5, {}, (f"{P}.created_time", NOW), None),
    ("proc.duration", 80 * 10**6, {}, (f"{P}.created_time", NOW - 80), None),
    ("proc.tty", 34816, {}, (f"{P}.session.terminal", "34816"), None),
    ("proc.sid", 1, {}, (f"{P}.session.uid", "1"), None),
    ("proc.exe_ino", 77, {"proc.exepath": "/bin/sh"}, (f"{P}.file.uid", "77"), None),
    (
        "proc.exe_ino.mtime",
        NOW * 10**6,
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.modified_time", NOW),
        None,
    ),
    (
        "proc.hash.sha256",
        HEX,
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.hashes.0.value", SAME),
        None,
    ),
    (
        "proc.hash.sha1",
        HEX[:40],
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.hashes.0.algorithm", "SHA-1"),
        None,
    ),
    (
        "proc.hash.md5",
        HEX[:32],
        {"proc.exepath": "/bin/sh"},
        (f"{P}.file.hashes.0.algorithm_id", 1),
        None,
    ),
    ("proc.pname", "runc", {}, (f"{PARENT}.name", SAME), None),
    ("proc.ppid", 23950, {}, (f"{PARENT}.pid", SAME), None),
    ("proc.pcmdline", "runc init", {}, (f"{PARENT}.cmd_line", SAME), None),
    ("proc.pexepath", "/usr/bin/runc", {}, (f"{PARENT}.file.path", SAME), None),
    ("proc.pvpid", 1, {}, (f"{PARENT}.namespace_pid", SAME), None),
    ("proc.ppid.ts", NOW * 10**6, {}, (f"{PARENT}.created_time", NOW), None),
    ("proc.ppid.duration", 10**9, {}, (f"{PARENT}.created_time", NOW - 1000), None),
    ("proc.aname[2]", "systemd", {}, (f"{P}.lineage", ["systemd"]), (f"{P}.ancestry.0.name", SAME)),
    ("proc.aname_3", "systemd", {}, (f"{P}.lineage", ["systemd"]), (f"{P}.ancestry.0.name", SAME)),
    (
        "proc.aexepath[2]",
        "/sbin/init",
        {},
        (f"{P}.lineage", ["/sbin/init"]),
        (f"{P}.ancestry.0.path", SAME),
    ),
    (
        "proc.aexe[2]",
        "/sbin/init",
        {"proc.aname[2]": "init"},
        (f"{P}.lineage", ["/sbin/init"]),
        (f"{P}.ancestry.0.path", SAME),
    ),
    ("proc.aexe[2]", "init", {"proc.aname[2]": "init"}, (UNMAPPED, SAME), None),
    (
        "proc.aexe[2]",
        "/init",
        {"proc.aexepath[2]": "/sbin/init"},
        (UNMAPPED, SAME),
        None,
    ),
    ("proc.acmdline[2]", "init 3", {}, (UNMAPPED, SAME), (f"{P}.ancestry.0.cmd_line", SAME)),
    ("proc.apid[2]", 1, {}, (UNMAPPED, "1"), (f"{P}.ancestry.0.pid", SAME)),
    ("proc.env", "TOKEN=secret", {}, (UNMAPPED, SAME), None),
    ("user.name", "root", {}, ("actor.user.name", SAME), (f"{P}.user.type_id", 2)),
    ("user.uid", 4294967295, {}, (f"{USER}.uid", "4294967295"), None),
    ("user.loginuid", 1000, {}, (f"{P}.auid", SAME), None),
    ("group.name", "wheel", {}, (f"{P}.group.name", SAME), None),
    ("group.gid", 10, {}, (f"{P}.group.uid", "10"), None),
    # Files and connections.
    ("fd.name", "/etc/shadow", {}, (f"{E}.file.path", SAME), None),
    (
        "fd.name",
        "pipe:[7]",
        {"fd.type": "pipe"},
        (f"{E}.file.path", SAME),
        (f"{E}.file.type_id", 6),
    ),
    ("fd.type", "inotify", {"fd.name": "x"}, (f"{E}.file.type", SAME), (f"{E}.file.type_id", 99)),
    ("fd.type", "unix", {"fd.name": "a->b /run/x"}, (f"{E}.file.path", "/run/x"), None),
    ("fd.directory", "/etc", {"fd.name": "/etc/shadow"}, (f"{E}.file.parent_folder", SAME), None),
    ("fd.filename", "shadow", {}, (f"{E}.file.name", SAME), None),
    ("fd.type", "directory", {"fd.name": "/etc"}, (f"{E}.file.type_id", 2), None),
    ("fd.ino", 9, {"fd.name": "/etc"}, (f"{E}.file.uid", "9"), None),
    ("fd.hash.sha256", HEX, {"fd.name": "/etc"}, (f"{E}.file.hashes.0.value", SAME), None),
    ("fd.hash.sha1", HEX[:40], {"fd.name": "/etc"}, (f"{E}.file.hashes.0.value", SAME), None),
    ("fd.hash.md5", HEX[:32], {"fd.name": "/etc"}, (f"{E}.file.hashes.0.value", SAME), None),
    ("fs.path.name", "/a", {}, (f"{E}.file.path", SAME), None),
    ("fs.path.target", "/b", {}, (f"{E}.file.path", SAME), None),
    ("fs.path.source", "/c", {"fs.path.target": "/b"}, ("evidences.1.file.path", SAME), None),
    *(
        (
            f"evt.arg.{name}",
            "/a",
            {},
            (f"{E}.file.path", SAME),
            (f"{E}.data", {f"evt.arg.{name}": "/a"}),
        )
        for name in ("path", "pathname", "filename", "newpath", "linkpath", "name")
    ),
    ("fd.cip", "10.0.0.5", {}, (f"{SRC}.ip", SAME), None),
    ("fd.cport", 39526, {"fd.cip": "10.0.0.5"}, (f"{SRC}.port", SAME), None),
    ("fd.sip", "10.0.0.1", {}, (f"{DST}.ip", SAME), None),
    ("fd.sport", 443, {"fd.sip": "10.0.0.1"}, (f"{DST}.port", SAME), None),
    (
        "fd.name",
        "10.0.0.5:39526->10.0.0.1:443",
        {},
        (f"{DST}.port", 443),
        (f"{SRC}.ip", "10.0.0.5"),
    ),
    ("fd.name", "::1:80->2001:db8::1:443", {}, (f"{DST}.ip", "2001:db8::1"), (f"{SRC}.ip", "::1")),
    ("fd.lip", "10.0.0.5", {"fd.is_server": True}, (f"{DST}.ip", SAME), None),
    ("fd.lip", "10.0.0.5", {}, (f"{SRC}.ip", SAME), None),
    ("fd.lport", 22, {"fd.lip": "10.0.0.5"}, (f"{SRC}.port", SAME), None),
    ("fd.lport", 22, {"fd.lip": "10.0.0.5", "fd.is_server": True}, (f"{DST}.port", SAME), None),
    ("fd.rip", "10.0.0.5", {"fd.is_server": True}, (f"{SRC}.ip", SAME), None),
    ("fd.rport", 22, {"fd.rip": "10.0.0.5"}, (f"{DST}.port", SAME), None),
    ("fd.rport", 22, {"fd.rip": "10.0.0.5", "fd.is_server": True}, (f"{SRC}.port", SAME), None),
    ("fd.cip.name", "bad_name", {}, (f"{SRC}.name", SAME), None),
    ("fd.sip.name", "bad_name", {}, (f"{DST}.name", SAME), None),
    ("fd.cip.name", "client", {}, (f"{SRC}.hostname", SAME), None),
    ("fd.sip.name", "db.example.com", {}, (f"{DST}.hostname", SAME), None),
    ("fd.lip.name", "client", {}, (f"{SRC}.hostname", SAME), None),
    ("fd.lip.name", "bad_name", {}, (f"{SRC}.name", SAME), None),
    ("fd.lip.name", "server", {"fd.is_server": True}, (f"{DST}.hostname", SAME), None),
    ("fd.lip.name", "bad_name", {"fd.is_server": True}, (f"{DST}.name", SAME), None),
    ("fd.rip.name", "server", {}, (f"{DST}.hostname", SAME), None),
    ("fd.rip.name", "bad_name", {}, (f"{DST}.name", SAME), None),
    ("fd.rip.name", "client", {"fd.is_server": True}, (f"{SRC}.hostname", SAME), None),
    ("fd.rip.name", "bad_name", {"fd.is_server": True}, (f"{SRC}.name", SAME), None),
    ("fd.sproto", "https", {}, (f"{DST}.svc_name", SAME), None),
    (
        "fd.l4proto",
        "tcp",
        {"fd.cip": "10.0.0.5"},
        (f"{INFO}.protocol_num", 6),
        (f"{INFO}.protocol_name", "tcp"),
    ),
    ("fd.type", "ipv6", {}, (f"{INFO}.protocol_ver_id", 6), None),
    ("fd.is_server", True, {"fd.cip": "10.0.0.5"}, (f"{INFO}.direction", "Inbound"), None),
    ("evt.type", "execve", {}, (f"{E}.api.operation", SAME), (f"{E}.api.service.name", "syscall")),
    ("syscall.type", "execve", {}, (f"{E}.api.operation", SAME), None),
    ("evt.res", "EACCES", {"evt.type": "open"}, (f"{RESPONSE}.error", SAME), None),
    ("evt.res", "SUCCESS", {"evt.type": "open"}, (f"{RESPONSE}.message", SAME), None),
    ("evt.rawres", -13, {"evt.type": "open"}, (f"{RESPONSE}.code", SAME), None),
    ("evt.args", "fd=3", {}, (f"{E}.data", {"evt.args": "fd=3"}), None),
    # Kubernetes audit.
    (
        "ka.verb",
        "create",
        {},
        (f"{E}.api.operation", SAME),
        (f"{E}.api.service.name", "kubernetes"),
    ),
    (
        "ka.auditid",
        UID,
        VERB,
        (f"{REQUEST}.uid", SAME),
        ("finding_info.related_events.0.uid", SAME),
    ),
    ("ka.response.code", "201", VERB, (f"{RESPONSE}.code", 201), None),
    ("ka.response.reason", "Forbidden", VERB, (f"{RESPONSE}.message", SAME), None),
    (
        "ka.user.name",
        "system:serviceaccount:ci:x",
        {},
        (f"{USER}.type_id", 3),
        (f"{USER}.type_id", 4),
    ),
    (
        "ka.user.groups",
        ["a", "b"],
        KA_USER,
        (f"{USER}.groups", [{"name": "a"}, {"name": "b"}]),
        None,
    ),
    ("ka.auth.decision", "allow", KA_USER, (f"{E}.actor.authorizations.0.decision", SAME), None),
    ("ka.auth.reason", "RBAC", KA_USER, (f"{E}.actor.authorizations.0.policy.desc", SAME), None),
    ("ka.impuser.name", "bob", {}, (UNMAPPED, SAME), (f"{E}.user.name", SAME)),
    (
        "ka.sourceips",
        ["203.0.113.24", "10.0.0.7"],
        {},
        (f"{SRC}.ip", "203.0.113.24"),
        (f"{SRC}.intermediate_ips", ["10.0.0.7"]),
    ),
    ("ka.uri", "/api", VERB, (UNMAPPED, SAME), (f"{E}.http_request.url.path", SAME)),
    ("ka.useragent", "kubectl", VERB, (UNMAPPED, SAME), (f"{E}.http_request.user_agent", SAME)),
    ("ka.target.resource", "pods", TARGET, ("resources.0.type", SAME), None),
    (
        "ka.target.subresource",
        "exec",
        {**TARGET, "ka.target.resource": "pods"},
        ("resources.0.type", "pods/exec"),
        None,
    ),
    ("ka.target.name", "web", {}, ("resources.0.name", SAME), None),
    ("ka.resp.name", "web", {}, ("resources.0.name", SAME), None),
    ("ka.target.pod.name", "web", {}, ("resources.0.name", SAME), None),
    ("ka.target.namespace", "shop", TARGET, ("resources.0.namespace", SAME), None),
    ("ka.target.namespace", "shop", {}, ("resources.0.namespace", SAME), None),
    ("ka.cluster.name", "prod", {}, ("resources.0.type", "cluster"), ("resources.0.name", SAME)),
    (
        "ka.req.pod.containers.image",
        ["alpine"],
        VERB,
        (f"{REQUEST}.containers.0.image.name", "alpine"),
        None,
    ),
    (
        "ka.req.pod.containers.name",
        ["debug"],
        {**VERB, "ka.req.pod.containers.image": ["alpine"]},
        (f"{REQUEST}.containers.0.name", "debug"),
        None,
    ),
    (
        "ka.req.pod.host_network",
        "false",
        VERB,
        (f"{REQUEST}.data", {"ka.req.pod.host_network": "false"}),
        None,
    ),
    ("ka.req.pod.host_network", "x", {}, (f"{E}.data", {"ka.req.pod.host_network": "x"}), None),
    (
        "ka.uri.param[command]",
        "cat",
        VERB,
        (f"{REQUEST}.data", {"ka.uri.param[command]": "cat"}),
        None,
    ),
    ("ka.uri.param[command]", "cat", {}, (f"{E}.data", {"ka.uri.param[command]": "cat"}), None),
    # CloudTrail.
    ("ct.region", "eu-west-1", {}, ("cloud.region", SAME), None),
    ("ct.recipientaccountid", "123456789012", {}, ("cloud.account.uid", SAME), None),
    (
        "ct.user.accountid",
        "123456789012",
        {},
        (f"{USER}.account.uid", SAME),
        ("cloud.account.uid", SAME),
    ),
    ("ct.name", "DeleteBucket", {}, (f"{E}.api.operation", SAME), None),
    ("ct.src", "s3.amazonaws.com", CALL, (f"{E}.api.service.name", SAME), None),
    ("ct.shortsrc", "s3", CALL, (f"{E}.api.service.name", SAME), None),
    ("ct.apiversion", "2", CALL, (f"{E}.api.version", SAME), None),
    ("ct.requestid", "1C8A", CALL, (f"{REQUEST}.uid", SAME), None),
    ("ct.request", "{}", CALL, (f"{REQUEST}.data", {"ct.request": "{}"}), None),
    ("ct.response", "{}", CALL, (f"{RESPONSE}.data", {"ct.response": "{}"}), None),
    ("ct.error", "AccessDenied", CALL, (f"{RESPONSE}.error", SAME), None),
    ("ct.errormessage", "no", CALL, (f"{RESPONSE}.error_message", SAME), None),
    ("ct.user", "alice", {}, (f"{USER}.name", SAME), None),
    ("ct.user.arn", "arn:aws:iam::1:user/a", {}, (f"{USER}.uid", SAME), None),
    ("ct.user.principalid", "AIDA", CT_USER, (f"{USER}.uid_alt", SAME), None),
    (
        "ct.user.identitytype",
        "Root",
        CT_USER,
        (f"{USER}.type_id", 2),
        (f"{USER}.type", "Admin"),
    ),
    (
        "ct.user.identitytype",
        "IAMUser",
        CT_USER,
        (f"{USER}.type_id", 1),
        (f"{USER}.type", "User"),
    ),
    (
        "ct.user.identitytype",
        "AWSService",
        CT_USER,
        (f"{USER}.type_id", 3),
        (f"{USER}.type", "System"),
    ),
    (
        "ct.user.identitytype",
        "AssumedRole",
        CT_USER,
        (f"{USER}.type_id", 99),
        (f"{USER}.type", SAME),
    ),
    ("ct.srcip", "198.51.100.77", {}, (f"{SRC}.ip", SAME), None),
    ("ct.srcip", "autoscaling.amazonaws.com", {}, (f"{SRC}.domain", SAME), (f"{SRC}.name", SAME)),
    ("ct.vpcendpointid", "vpce-1", {}, (f"{SRC}.uid", SAME), None),
    ("ct.useragent", "aws-cli", CALL, (UNMAPPED, SAME), (f"{E}.http_request.user_agent", SAME)),
    ("ct.tlsdetails.tlsversion", "TLSv1.3", CALL, (UNMAPPED, SAME), (f"{E}.tls.version", SAME)),
    (
        "ct.tlsdetails.ciphersuite",
        "AES",
        {**CALL, "ct.tlsdetails.tlsversion": "TLSv1.3"},
        (UNMAPPED, SAME),
        (f"{E}.tls.cipher", SAME),
    ),
    (
        "ct.tlsdetails.clientprovidedhostheader",
        "s3",
        {**CALL, "ct.tlsdetails.tlsversion": "1"},
        (UNMAPPED, SAME),
        (f"{E}.tls.sni", SAME),
    ),
    ("ct.id", UID, {}, ("finding_info.related_events.0.uid", SAME), None),
    ("ct.id", UID, CALL, (f"{REQUEST}.uid", SAME), None),
    ("ct.id", UID, {**CALL, "ct.requestid": "1C8A"}, (f"{REQUEST}.uid", "1C8A"), None),
    (
        "s3.bucket",
        "b",
        {},
        ("resources.0.uid", "arn:aws:s3:::b"),
        ("resources.0.type", "AWS::S3::Bucket"),
    ),
    (
        "s3.key",
        "k/x",
        {"s3.bucket": "b"},
        ("resources.0.uid", "arn:aws:s3:::b/k/x"),
        ("resources.0.name", "k/x"),
    ),
    (
        "s3.uri",
        "s3://b",
        {"s3.bucket": "b"},
        ("resources.0.uid", "arn:aws:s3:::b"),
        ("unmapped", None),
    ),
    (
        "s3.uri",
        "s3://b/k/x",
        {},
        ("resources.0.uid", "arn:aws:s3:::b/k/x"),
        ("resources.0.name", "k/x"),
    ),
    ("s3.uri", "s3://b", {}, ("resources.0.type", "AWS::S3::Bucket"), ("resources.0.name", "b")),
    ("s3.uri", "s3:///k", {}, (UNMAPPED, SAME), None),
    ("s3.uri", "s3://other/k", {"s3.bucket": "b"}, (UNMAPPED, SAME), None),
    *(
        (field, "x", {}, ("resources.0.type", kind), ("resources.0.name", SAME))
        for field, kind in (
            ("ct.request.functionname", "AWS::Lambda::Function"),
            ("ecr.repository", "AWS::ECR::Repository"),
            ("iam.role", "AWS::IAM::Role"),
            ("iam.policy", "AWS::IAM::Policy"),
            ("ec2.name", "AWS::EC2::Instance"),
            ("ct.request.cluster", "AWS::ECS::Cluster"),
            ("ct.request.taskdefinition", "AWS::ECS::TaskDefinition"),
            ("ct.request.groupname", "AWS::EC2::SecurityGroup"),
            ("ct.request.username", "AWS::IAM::User"),
            ("ct.request.subnetid", "AWS::EC2::Subnet"),
            ("ct.request.documentname", "AWS::SSM::Document"),
            ("ct.request.serialnumber", "AWS::IAM::MFADevice"),
        )
    ),
    ("ct.request.cluster", "c", CALL, (f"{REQUEST}.data", {"ct.request.cluster": "c"}), None),
    ("ct.request.name", "x", {}, (f"{E}.data", {"ct.request.name": "x"}), None),
    ("ct.response.x", "x", {}, (f"{E}.data", {"ct.response.x": "x"}), None),
    # Google Cloud.
    ("gcp.location", "europe-west1", {}, ("cloud.region", SAME), None),
    ("gcp.projectId", "p-1", {}, ("cloud.project_uid", SAME), ("cloud.account.type_id", 11)),
    ("gcp.methodName", "storage.delete", {}, (f"{E}.api.operation", SAME), None),
    ("gcp.serviceName", "storage", METHOD, (f"{E}.api.service.name", SAME), None),
    ("gcp.request", "{}", METHOD, (f"{REQUEST}.data", {"gcp.request": "{}"}), None),
    ("gcp.policyDelta", "{}", METHOD, (f"{REQUEST}.data", {"gcp.policyDelta": "{}"}), None),
    ("gcp.user", "alice@example.com", {}, (f"{USER}.name", SAME), (f"{USER}.email_addr", SAME)),
    (
        "gcp.authorizationInfo",
        '[{"granted":true,"permission":"a.b"}]',
        {"gcp.user": "a"},
        (f"{E}.actor.authorizations", [{"decision": "granted", "policy": {"name": "a.b"}}]),
        None,
    ),
    ("gcp.callerIP", "203.0.113.7", {}, (f"{SRC}.ip", SAME), None),
    ("gcp.userAgent", "gcloud", METHOD, (UNMAPPED, SAME), (f"{E}.http_request.user_agent", SAME)),
    *(
        (field, "x", {}, ("resources.0.name", SAME), None)
        for field in (
            "gcp.resourceName",
            "gcp.storage.bucket",
            "gcp.cloudfunctions.function",
            "gcp.cloudsql.databaseId",
            "gcp.compute.instanceId",
        )
    ),
    ("gcp.resourceType", "gcs_bucket", {"gcp.resourceName": "x"}, ("resources.0.type", SAME), None),
    (
        "gcp.resourceLabels",
        '{"a":"b"}',
        {"gcp.resourceName": "x"},
        ("resources.0.labels", ["a=b"]),
        None,
    ),
    # Okta.
    (
        "okta.evt.type",
        "user.session.start",
        {},
        (f"{E}.api.operation", SAME),
        (f"{E}.api.service.name", "okta"),
    ),
    ("okta.transaction.id", "t", OKTA, (f"{REQUEST}.uid", SAME), None),
    ("okta.result", "FAILURE", OKTA, (f"{RESPONSE}.message", SAME), None),
    ("okta.reason", "INVALID", OKTA, (f"{RESPONSE}.error", SAME), None),
    ("okta.actor.id", "00u", {}, (f"{USER}.uid", SAME), None),
    (
        "okta.actor.alternateid",
        "a@example.com",
        {},
        (f"{USER}.email_addr", SAME),
        (f"{USER}.name", SAME),
    ),
    ("okta.actor.name", "Alice", {}, (f"{USER}.full_name", SAME), (f"{USER}.name", SAME)),
    (
        "okta.actor.Type",
        "User",
        {"okta.actor.id": "1"},
        (f"{USER}.type", SAME),
        (f"{USER}.type_id", 99),
    ),
    ("okta.org", "acme", {"okta.actor.id": "1"}, (f"{USER}.org.name", SAME), None),
    ("okta.authentication.sessionid", "s", {}, (f"{E}.actor.session.uid", SAME), None),
    ("okta.client.ip", "203.0.113.7", {}, (f"{SRC}.ip", SAME), None),
    ("okta.client.geo.city", "Paris", CLIENT, (f"{SRC}.location.city", SAME), None),
    ("okta.client.geo.state", "IdF", CLIENT, (f"{SRC}.location.region", SAME), None),
    ("okta.client.geo.country", "France", CLIENT, (f"{SRC}.location.country", SAME), None),
    ("okta.client.geo.postalcode", "75001", CLIENT, (f"{SRC}.location.postal_code", SAME), None),
    (
        "okta.client.geo.lat",
        "48.85",
        {**CLIENT, "okta.client.geo.lon": "2.35", "okta.client.geo.city": "Paris"},
        (f"{SRC}.location.coordinates", [2.35, 48.85]),
        (f"{SRC}.location.lat", 48.85),
    ),
    (
        "okta.client.geo.lon",
        "2.35",
        {**CLIENT, "okta.client.geo.lat": "48.85", "okta.client.geo.city": "Paris"},
        (f"{SRC}.location.coordinates", [2.35, 48.85]),
        (f"{SRC}.location.long", 2.35),
    ),
    (
        "okta.security.asnumber",
        3215,
        CLIENT,
        (UNMAPPED, "3215"),
        (f"{SRC}.autonomous_system.number", SAME),
    ),
    (
        "okta.security.asorg",
        "Orange",
        CLIENT,
        (UNMAPPED, SAME),
        (f"{SRC}.autonomous_system.name", SAME),
    ),
    ("okta.security.isp", "Orange", CLIENT, (UNMAPPED, SAME), (f"{SRC}.isp", SAME)),
    ("okta.security.domain", "orange.fr", CLIENT, (f"{SRC}.domain", SAME), None),
    (
        "okta.useragent.raw",
        "Mozilla",
        OKTA,
        (UNMAPPED, SAME),
        (f"{E}.http_request.user_agent", SAME),
    ),
    ("okta.requesturi", "/login", OKTA, (UNMAPPED, SAME), (f"{E}.http_request.url.path", SAME)),
    ("okta.target.user.id", "00u", {}, ("resources.0.uid", SAME), (f"{E}.user.uid", SAME)),
    ("okta.target.user.name", "Bob", {}, ("resources.0.name", SAME), (f"{E}.user.full_name", SAME)),
    (
        "okta.target.user.alternateid",
        "bob",
        {},
        ("resources.0.name", SAME),
        (f"{E}.user.name", SAME),
    ),
    ("okta.target.group.id", "g", {}, ("resources.0.uid", SAME), None),
    (
        "okta.target.group.name",
        "Admins",
        {},
        ("resources.0.name", SAME),
        ("resources.0.type", "Group"),
    ),
    ("okta.target.group.alternateid", "g", {}, ("resources.0.name", SAME), None),
    (
        "okta.target.app.alternateid",
        "Slack",
        {},
        ("resources.0.name", SAME),
        ("resources.0.type", "App"),
    ),
    ("okta.app", "Slack", {}, ("resources.0.name", SAME), None),
    ("okta.targets.displayName", "x", {}, ("resources.0.name", SAME), None),
    # GitHub.
    ("github.type", "push", {}, (f"{E}.api.operation", SAME), (f"{E}.api.service.name", "github")),
    (
        "github.action",
        "publicized",
        {"github.type": "repository"},
        (f"{E}.api.operation", "repository.publicized"),
        None,
    ),
    ("github.user", "alice", {}, (f"{USER}.name", SAME), None),
    ("github.org", "acme", {"github.user": "a"}, (f"{USER}.org.name", SAME), None),
    ("github.repo.name", "r", {}, ("resources.0.name", SAME), None),
    ("github.repo", "https://g/r", {}, ("resources.0.uid", SAME), None),
    (
        "github.repo.url",
        "https://g/r",
        {},
        ("resources.0.uid", SAME),
        (f"{E}.url.url_string", SAME),
    ),
    ("github.owner", "acme", {"github.repo.name": "r"}, ("resources.0.owner.name", SAME), None),
    ("github.collaborator.name", "bob", {}, (UNMAPPED, SAME), (f"{E}.user.name", SAME)),
    (
        "github.diff.committed_secrets.files",
        ["a", "b"],
        {},
        (f"{E}.file.path", "a"),
        ("evidences.1.file.path", "b"),
    ),
    ("github.workflow.filename", "ci.yml", {}, (f"{E}.file.path", SAME), None),
]


def at(finding: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(finding, list):
            finding = finding[int(step)] if int(step) < len(finding) else None
        else:
            finding = (finding or {}).get(step)
    return finding


def record(fields: dict[str, Any]) -> bytes:
    fields = dict(fields)
    alert = {
        "rule": "Anything",
        "priority": "Notice",
        "source": fields.pop("source", "syscall"),
        "time": fields.pop("time", "2026-07-04T20:46:44.180672852Z"),
        "output_fields": fields,
    }
    return encode(alert)


def finding_of(mapping: Mapping, fields: dict[str, Any]) -> dict[str, Any]:
    finding = mapping.finding(record(fields), -1)
    assert isinstance(finding, dict), finding
    return finding


@pytest.mark.parametrize(
    ("field", "value", "others", "old", "new"),
    TABLE,
    ids=[f"{row[0]}={row[1]}"[:60] for row in TABLE],
)
def test_a_field_goes_to_its_attribute(
    field: str, value: Any, others: dict[str, Any], old: Expected, new: Expected | None
) -> None:
    for mapping, (path, expected) in ((OLD, old), (NEW, new or old)):
        finding = finding_of(mapping, {**others, field: value})
        if path == UNMAPPED:
            got = finding.get("unmapped", {}).get(field)
        else:
            got = at(finding, path)
            assert field not in finding.get("unmapped", {}), field
            lines = {
                line.field: line for line in explain(mapping, record({**others, field: value}))
            }
            # Its row tells of it, or it is one of those that say again what another field says.
            assert lines[field].attributes or expected is None or field in REPEATING, lines[field]
        assert got == (value if expected is SAME else expected), (path, finding)


def test_every_row_is_tested() -> None:
    tested = {row[0] for row in TABLE}

    missing = [
        row.field
        for row in ROWS
        if row.attributes and not any(row in rows_of(name) for name in tested)
    ]

    assert missing == []


def test_every_attribute_that_a_row_names_is_reached() -> None:
    """A row is what `docs/mapping.md` says, so it may claim nothing that never happens."""
    reached: dict[str, set[str]] = {}
    for field, value, others, *_ in TABLE:
        for mapping in MAPPINGS:
            for line in explain(mapping, record({**others, field: value})):
                names = (
                    name.replace("evidences[].process.container", "evidences[].container")
                    for name in line.attributes
                )
                reached.setdefault(line.field, set()).update(names)

    never = [
        (row.field, name)
        for row in ROWS
        for name in row.attributes
        if not any(name in found for field, found in reached.items() if row in rows_of(field))
    ]

    assert never == []


@pytest.mark.parametrize("field", [row.field for row in ROWS if not row.attributes])
def test_a_field_without_attribute_is_unmapped(field: str) -> None:
    for mapping in MAPPINGS:
        assert finding_of(mapping, {field: "some text"})["unmapped"] == {field: "some text"}


def test_every_tested_field_has_a_row_that_says_so() -> None:
    assert [row[0] for row in TABLE if not rows_of(row[0])] == []
    # A field without an exact row is an instance of a pattern, and all of those are here.
    instances = {row[0] for row in TABLE} - {row.field for row in ROWS}
    assert instances == {
        "container.label.app",
        "container.label[app]",
        "evt.args",
        "ka.req.pod.host_network",
        "ka.uri.param[command]",
        "ct.request",
        "ct.response",
        "ct.request.name",
        "ct.response.x",
        "proc.aname[2]",
        "proc.aname_3",
        "proc.aexepath[2]",
        "proc.aexe[2]",
        "proc.acmdline[2]",
        "proc.apid[2]",
    }


def test_every_row_names_attributes_that_exist() -> None:
    known = paths("detection_finding", "1.1.0") | paths("detection_finding", "1.8.0")
    known |= {
        path.replace("evidences[].process.container", "evidences[].container") for path in known
    }

    unknown = {name for row in ROWS for name in row.attributes} - known

    assert unknown == set()


@pytest.mark.parametrize("mapping", MAPPINGS, ids=["1.1.0", "1.8.0"])
def test_a_host_process_has_no_container(mapping: Mapping) -> None:
    finding = finding_of(mapping, {"container.id": "host", "container.name": "host"})

    assert "evidences" not in finding
    assert finding["unmapped"] == {"container.id": "host", "container.name": "host"}


def test_a_process_without_pid_has_a_uid_made_of_the_findings() -> None:
    finding = finding_of(OLD, {"proc.name": "sh", "proc.pname": "init"})
    process = finding["evidences"][0]["process"]

    assert process["uid"] == finding["actor"]["process"]["uid"]
    assert process["uid"] == "falco:" + finding["metadata"]["uid"]
    assert process["parent_process"]["uid"] == process["uid"] + ":parent"


def test_ancestors_are_in_order_and_the_parent_is_one_of_them() -> None:
    fields = {
        "proc.aname[3]": "systemd",
        "proc.aname[2]": "containerd-shim",
        "proc.pname": "runc",
        "proc.pexepath": "/usr/bin/runc",
    }

    old = finding_of(OLD, fields)["evidences"][0]["process"]
    new = finding_of(NEW, fields)["evidences"][0]["process"]

    assert old["lineage"] == ["systemd", "containerd-shim", "/usr/bin/runc"]
    assert new["ancestry"] == [
        {"name": "runc", "path": "/usr/bin/runc"},
        {"name": "containerd-shim"},
        {"name": "systemd"},
    ]


@pytest.mark.parametrize(
    ("fields", "profiles"),
    [
        ({}, []),
        ({"proc.name": "sh"}, ["host"]),
        (
            {"group.gid": 1, "proc.vpid": 1, "user.name": "x"},
            ["host", "linux/linux_users", "container"],
        ),
        ({"ct.region": "eu-west-1"}, ["cloud"]),
    ],
)
def test_profiles_are_those_that_are_used(fields: dict[str, Any], profiles: list[str]) -> None:
    assert finding_of(OLD, fields)["metadata"]["profiles"] == ["datetime", *profiles]
    assert finding_of(NEW, fields)["metadata"]["profiles"] == [
        "datetime",
        "security_control",
        *profiles,
    ]


# Each kind of observable: the fields that make it, its path and type_id at 1.1.0 and at 1.8.0, and
# at class 2001; None where the release has no such type or no such attribute.
Observed = tuple[str, int] | None
OBSERVABLES: list[tuple[dict[str, Any], str, Observed, Observed, Observed]] = [
    (
        {"evt.hostname": "node-1"},
        "node-1",
        ("device.hostname", 1),
        ("device.hostname", 1),
        ("metadata.loggers[].device.hostname", 1),
    ),
    (
        {"fd.sip": "10.0.0.1", "fd.sip.name": "db.example.com"},
        "db.example.com",
        ("evidences[].dst_endpoint.hostname", 1),
        ("evidences[].dst_endpoint.hostname", 1),
        ("evidence.dst_endpoint.hostname", 1),
    ),
    *(
        (
            fields,
            "a.example.com",
            ("evidences[].src_endpoint.domain", 1),
            ("evidences[].src_endpoint.domain", 1),
            ("evidence.src_endpoint.domain", 1),
        )
        for fields in (
            {"ct.srcip": "a.example.com"},
            {**CLIENT, "okta.security.domain": "a.example.com"},
        )
    ),
    *(
        (
            fields,
            "203.0.113.7",
            ("evidences[].src_endpoint.ip", 2),
            ("evidences[].src_endpoint.ip", 2),
            ("evidence.src_endpoint.ip", 2),
        )
        for fields in (
            {"fd.cip": "203.0.113.7"},
            {"ka.sourceips": ["203.0.113.7"]},
            {"ct.srcip": "203.0.113.7"},
            {"gcp.callerIP": "203.0.113.7"},
            {"okta.client.ip": "203.0.113.7"},
        )
    ),
    (
        {"fd.sip": "10.0.0.1"},
        "10.0.0.1",
        ("evidences[].dst_endpoint.ip", 2),
        ("evidences[].dst_endpoint.ip", 2),
        ("evidence.dst_endpoint.ip", 2),
    ),
    (
        {"user.name": "alice"},
        "alice",
        ("actor.user.name", 4),
        ("actor.user.name", 4),
        ("process.user.name", 4),
    ),
    *(
        (
            {field: "alice"},
            "alice",
            ("evidences[].actor.user.name", 4),
            ("evidences[].actor.user.name", 4),
            ("evidence.actor.user.name", 4),
        )
        for field in ("ka.user.name", "ct.user", "gcp.user", "okta.actor.alternateid")
    ),
    (
        {"github.user": "alice"},
        "alice",
        ("evidences[].actor.user.name", 4),
        ("evidences[].actor.user.name", 4),
        ("evidence.actor.user.name", 4),
    ),
    *(
        (
            fields,
            "shadow",
            ("evidences[].file.name", 7),
            ("evidences[].file.name", 7),
            (f"evidence.{where}file.name", 7),
        )
        for fields, where in (
            ({"fd.name": "/etc/shadow"}, ""),
            ({"github.workflow.filename": "etc/shadow"}, ""),
            ({"fs.path.source": "/etc/shadow", "fs.path.target": "/x"}, "others[]."),
            ({"github.diff.committed_secrets.files": ["a", "etc/shadow"]}, "others[]."),
        )
    ),
    (
        {**CONTAINER, "container.image.digest": f"sha256:{HEX}"},
        HEX,
        ("evidences[].process.container.hash.value", 8),
        ("evidences[].container.hash.value", 8),
        ("evidence.process.container.hash.value", 8),
    ),
    (
        {"proc.name": "sh"},
        "sh",
        ("evidences[].process.name", 9),
        ("evidences[].process.name", 9),
        ("process.name", 9),
    ),
    *(
        (fields, uid, ("resources[].uid", 10), ("resources[].uid", 10), ("resources[].uid", 10))
        for fields, uid in (
            ({"k8s.pod.uid": UID}, UID),
            ({"k8smeta.deployment.uid": UID}, UID),
            ({"s3.bucket": "b", "s3.key": "k"}, "arn:aws:s3:::b/k"),
            ({"okta.target.group.id": "g"}, "g"),
            ({"github.repo.url": "https://g/r"}, "https://g/r"),
        )
    ),
    (
        {"okta.target.user.id": "00u"},
        "00u",
        ("resources[].uid", 10),
        None,
        ("resources[].uid", 10),
    ),
    ({"proc.cmdline": "sh -i"}, "sh -i", None, ("evidences[].process.cmd_line", 13), None),
    ({"proc.pid": 7}, "7", None, ("evidences[].process.pid", 15), None),
    *(
        (fields, "curl", None, ("evidences[].http_request.user_agent", 16), None)
        for fields in (
            {**VERB, "ka.useragent": "curl"},
            {**CALL, "ct.useragent": "curl"},
            {**METHOD, "gcp.userAgent": "curl"},
            {**OKTA, "okta.useragent.raw": "curl"},
        )
    ),
    *(
        ({field: "123456789012"}, "123456789012", None, ("cloud.account.uid", 35), None)
        for field in ("ct.recipientaccountid", "gcp.projectId")
    ),
    ({"proc.exepath": "/bin/sh"}, "/bin/sh", None, ("evidences[].process.file.path", 45), None),
    *(
        (fields, "/etc/shadow", None, ("evidences[].file.path", 45), None)
        for fields in (
            {"fd.name": "/etc/shadow"},
            {"fs.path.source": "/etc/shadow"},
            {"github.workflow.filename": "/etc/shadow"},
            {"github.diff.committed_secrets.files": ["a", "/etc/shadow"]},
        )
    ),
    (
        CONTAINER,
        "3ad7b26ded6d",
        ("evidences[].process.container.uid", 99),
        ("evidences[].container.uid", 99),
        ("evidence.process.container.uid", 99),
    ),
]


@pytest.mark.parametrize(
    ("fields", "value", "old", "new", "legacy"),
    OBSERVABLES,
    ids=[f"{row[1]}-{'-'.join(row[0])}"[:70] for row in OBSERVABLES],
)
def test_what_can_be_searched_for_is_an_observable(
    fields: dict[str, Any], value: str, old: Observed, new: Observed, legacy: Observed
) -> None:
    for mapping, expected in ((OLD, old), (NEW, new), (LEGACY, legacy)):
        finding = finding_of(mapping, fields)
        found = [
            (each["name"], each["type_id"])
            for each in finding.get("observables", [])
            if each["value"] == value
        ]
        assert found == ([] if expected is None else [expected]), finding


@pytest.mark.parametrize(
    ("fields", "direction"),
    [
        ({"evt.type": "connect"}, "Outbound"),
        ({"evt.type": "accept"}, "Inbound"),
        ({"evt.type": "accept4"}, "Inbound"),
        ({"evt.type": "listen"}, "Inbound"),
        ({"evt.type": "sendto"}, "Unknown"),
        ({"evt.type": "connect", "fd.is_server": True}, "Inbound"),
        ({"evt.type": "accept", "fd.is_server": False}, "Outbound"),
    ],
)
def test_the_direction_of_a_connection(fields: dict[str, Any], direction: str) -> None:
    for mapping in MAPPINGS:
        info = at(finding_of(mapping, {"fd.cip": "10.0.0.5", **fields}), INFO)
        assert info["direction"] == direction
        assert info["direction_id"] == ["Unknown", "Inbound", "Outbound"].index(direction)
