"""A broker that is spoken to by TLS and SASL alone: every client of ours reaches it with the same settings."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented as public
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from stack.kafka import KafkaNode
from stack.ports import free_port
from stack.process import Child
from tests.waldstream.installation import environment, run_waldstream, until

pytestmark = [pytest.mark.stack, pytest.mark.faults]  # a broker and four roles of its own

_PASSWORD = "hush-hush"  # noqa: S105 of this test's broker
_LOGIN = "org.apache.kafka.common.security"
_COIN = """
id = "secured"
[model]
family = "bernoulli"
h0 = { p = 0.5 }
h1 = { p = 0.9 }
[errors]
alpha = 0.01
beta = 0.01
thresholds = "wald"
[source]
kind = "entropy"
p = 0.95
"""


def _certificates(folder: Path) -> None:
    """Make an authority and a certificate for loopback by it, as PEM."""

    def openssl(*arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=folder, check=True, capture_output=True)

    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=localhost")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san", "-out", "cert.pem")
    openssl("x509", "-req", "-in", "csr.pem", "-days", "2", *signing)
    (folder / "server.pem").write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())


def _secured(folder: Path, start: Callable[..., KafkaNode]) -> str:
    """Return the address of a listener that takes TLS with SCRAM or PLAIN only, on a broker of its own."""
    plain, secure, controller = free_port(), free_port(), free_port()
    both = f"PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure}"
    properties = {
        "listeners": f"{both},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": both,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.secure.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        "listener.name.secure.plain.sasl.jaas.config": (
            f'{_LOGIN}.plain.PlainLoginModule required user_waldstream="{_PASSWORD}";'
        ),
    }
    start(port=plain, controller_port=controller, properties=properties)
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    user = UserScramCredentialUpsertion("waldstream", info, _PASSWORD.encode())
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{plain}"})
    for done in admin.alter_user_scram_credentials([user]).values():
        done.result(30)
    return f"127.0.0.1:{secure}"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_one_set_of_settings_takes_every_client_through_tls_and_sasl(
    tmp_path: Path, own_kafka: Callable[..., KafkaNode], mechanism: str
) -> None:
    _certificates(tmp_path)
    own = environment(
        tmp_path,
        kafka_bootstrap_servers=_secured(tmp_path, own_kafka),
        kafka_security_protocol="sasl_ssl",
        kafka_ssl_ca_location=str(tmp_path / "ca.pem"),
        kafka_sasl_mechanism=mechanism,
        kafka_sasl_username="waldstream",
        kafka_sasl_password=_PASSWORD,
        partitions="1",
    )
    (tmp_path / "coin.toml").write_text(_COIN)

    def waldstream(*arguments: str, **changes: str) -> Any:
        return run_waldstream(arguments, {**own, **changes})

    made = waldstream("topics", "create")
    assert made.returncode == 0, made.stderr
    with contextlib.ExitStack() as opened:
        logs = {role: tmp_path / f"{role}.log" for role in ("worker", "runner", "exporter")}
        for role, log in logs.items():
            opened.enter_context(Child(role, (sys.executable, "-m", "waldstream", role), log=log, env=own))
        until(lambda: "partition_taken_over" in logs["worker"].read_text(), 120)
        ran = waldstream("run", str(tmp_path / "coin.toml"))
        assert ran.returncode == 0, ran.stderr
        decided = json.loads(waldstream("watch", "secured", "--json").stdout)
        until(lambda: json.loads(waldstream("list", "--json").stdout)[0]["state"] == "ARCHIVED")
    wrong = waldstream("list", WALDSTREAM_KAFKA_SASL_PASSWORD="guess")  # noqa: S106 it is wrong
    strange = waldstream("list", WALDSTREAM_KAFKA_SSL_CA_LOCATION="")

    assert (decided["outcome"], decided["reason"]) == ("accept_h1", "boundary_upper")
    assert (wrong.returncode, strange.returncode) == (3, 3)
    assert "guess" not in wrong.stderr
