"""Apache Kafka with a listener for each kind of security, and users with different rights."""

from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streams.embedded.apache import ApacheKafka
from streams.embedded.ports import HOST, free_ports
from streams.embedded.process import ServerProcess
from tests.certificates import Authority

PASSWORD = "opensesame-of-kafka"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"

LISTENERS = {
    "TLS": "SSL",
    "MTLS": "SSL",
    "OTHERNAME": "SSL",
    "PLAIN": "SASL_PLAINTEXT",
    "SCRAM": "SASL_SSL",
    "OAUTH": "SASL_SSL",
}


class SecureKafka(ApacheKafka):
    """Apache Kafka with an open PLAINTEXT listener and one listener for each name above."""

    def __init__(self, data: Path, authority: Authority) -> None:
        super().__init__(data)
        self._authority = authority
        self.server = authority.issue("broker", "127.0.0.1", "localhost")
        self.other = authority.issue("other", "kafka.example.com")
        self.ports: dict[str, int] = {}

    def at(self, listener: str) -> str:
        """Return the address of a listener, for `bootstrap_servers`."""
        return f"{HOST}:{self.ports[listener]}"

    def _prepare(self) -> tuple[ServerProcess, list[int]]:
        process, ports = super()._prepare()
        free = [port for port in free_ports(len(LISTENERS) + 2) if port not in ports]
        self.ports = dict(zip(LISTENERS, free, strict=False))
        file = self.data / "server.properties"
        lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
        lines |= self._security(lines)
        file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return process, [*ports, *self.ports.values()]

    def _security(self, lines: dict[str, str]) -> dict[str, str]:
        more = "".join(f",{name}://{self.at(name)}" for name in LISTENERS)
        kinds = LISTENERS | {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        made = {
            "listeners": lines["listeners"] + more,
            "advertised.listeners": lines["advertised.listeners"] + more,
            "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in kinds.items()),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
            "super.users": "User:ANONYMOUS",
        }
        for name, kind in LISTENERS.items():
            if kind.endswith("SSL"):
                identity = self.other if name == "OTHERNAME" else self.server
                start = f"listener.name.{name.lower()}.ssl."
                made |= {
                    f"{start}keystore.type": "PEM",
                    f"{start}keystore.location": str(identity.both),
                    f"{start}truststore.type": "PEM",
                    f"{start}truststore.location": str(self._authority.certificate),
                }
        scram = {"SCRAM-SHA-256": f"{SCRAM} required;", "SCRAM-SHA-512": f"{SCRAM} required;"}
        users = f'{PLAIN} required user_falco="{PASSWORD}" user_limited="{PASSWORD}";'
        return (
            made
            | {"listener.name.mtls.ssl.client.auth": "required"}
            | _mechanisms("plain", {"PLAIN": users})
            | _mechanisms("scram", scram)
            | _mechanisms("oauth", {"OAUTHBEARER": f"{OAUTH} required;"})
        )

    def add_users(self) -> None:
        """Create the user falco, with a password for each SCRAM mechanism."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        changes = [
            UserScramCredentialUpsertion("falco", mechanism, PASSWORD, iterations=4096)
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
        ]
        answers = [admin.alter_user_scram_credentials([change]) for change in changes]
        admin.close()
        assert answers == [{"falco": None}] * 2

    def allow_only(self, user: str, kind: ResourceType, name: str, *allowed: ACLOperation) -> None:
        """Allow one user this operation on a topic or group, and deny everyone else."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        pattern = ResourcePattern(kind, name)
        acls = [
            ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, pattern)
            for operation in allowed
        ]
        answer = admin.create_acls(acls)
        admin.close()
        assert not answer["failed"]


def _mechanisms(listener: str, modules: dict[str, str]) -> dict[str, str]:
    start = f"listener.name.{listener}."
    return {f"{start}sasl.enabled.mechanisms": ",".join(modules)} | {
        f"{start}{mechanism.lower()}.sasl.jaas.config": module
        for mechanism, module in modules.items()
    }
