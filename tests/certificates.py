"""Certificates for tests: an authority and what it signs, as PEM files that are valid for a day."""

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Identity(NamedTuple):
    """A certificate, its key, and both in one file as Kafka wants them; the key has no password."""

    certificate: Path
    key: Path
    both: Path


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(key: ec.EllipticCurvePrivateKey, password: str = "") -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption(),
    )


@dataclass
class Authority:
    """A private certificate authority; `certificate` is what its clients trust."""

    directory: Path
    name: str = "authority"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        self.certificate = self.directory / f"{self.name}.pem"
        self._write(self.certificate, self.key, self.name, [], authority=True)

    def issue(self, name: str, *hosts: str, password: str = "") -> Identity:
        """Sign a certificate for a server with these hosts, or for a client with none."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = Identity(*(self.directory / f"{name}{end}.pem" for end in ("", "-key", "-both")))
        self._write(made.certificate, key, name, list(hosts))
        made.key.write_bytes(_pem(key, password))
        made.both.write_bytes(_pem(key) + made.certificate.read_bytes())
        return made

    def _write(
        self,
        file: Path,
        key: ec.EllipticCurvePrivateKey,
        name: str,
        hosts: list[str],
        *,
        authority: bool = False,
    ) -> None:
        today = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if authority:
            builder = builder.add_extension(_SIGNS, critical=True)
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
