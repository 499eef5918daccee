"""What a value must look like for OCSF."""

from __future__ import annotations

import pytest

from schemas.ocsf.releases import (
    SEVERITY_IDS,
    file_of,
    fingerprint,
    is_email,
    is_hostname,
    is_ip,
    is_uuid,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node-1.example.com", True),
        ("a" * 255, True),
        ("a" * 256, False),
        ("node_1", False),
        ("-a", False),
        ("a.", False),
        ("", False),
    ],
)
def test_host_names(text: str, expected: bool) -> None:
    assert is_hostname(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.7", True),
        ("2001:db8::7", True),
        ("fe80::1%eth0", False),
        ("999.1.1.1", False),
        ("10.0.0.7:443", False),
        ("", False),
    ],
)
def test_ip_addresses(text: str, expected: bool) -> None:
    assert is_ip(text) == expected


def test_email_addresses_and_uuids() -> None:
    assert is_email("alice@example.com")
    assert not is_email("alice")
    assert not is_email("a" * 320 + "@example.com")
    assert is_uuid("3e41dc6b-08a8-44db-bc2a-3724b18ab19a")
    assert not is_uuid("3e41dc6b08a844dbbc2a3724b18ab19a")


@pytest.mark.parametrize(
    ("digest", "algorithm"),
    [
        ("ab" * 16, (1, "MD5")),
        ("ab" * 20, (2, "SHA-1")),
        ("sha256:" + "ab" * 32, (3, "SHA-256")),
        ("ab" * 33, None),
        ("xy" * 32, None),
        ("", None),
    ],
)
def test_a_digest_names_its_algorithm(digest: str, algorithm: tuple[int, str] | None) -> None:
    found = fingerprint(digest)

    if algorithm is None:
        assert found is None
    else:
        assert found == {
            "algorithm_id": algorithm[0],
            "algorithm": algorithm[1],
            "value": digest.removeprefix("sha256:"),
        }


@pytest.mark.parametrize(
    ("path", "name", "folder"),
    [
        ("/etc/shadow", "shadow", "/etc"),
        ("/etc/", "etc", "/"),
        ("shadow", "shadow", None),
        ("/", "/", None),
    ],
)
def test_a_path_has_a_name_and_a_folder(path: str, name: str, folder: str | None) -> None:
    file = file_of(path)

    assert (file["name"], file["path"], file.get("parent_folder")) == (name, path, folder)


def test_no_priority_is_less_severe_than_the_next() -> None:
    assert list(SEVERITY_IDS.values()) == sorted(SEVERITY_IDS.values(), reverse=True)
