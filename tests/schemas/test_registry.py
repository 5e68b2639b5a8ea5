"""Confluent frames are read by the registry's schemas; a registry that does not answer is never a verdict."""

import base64
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest

from schemas import avro, codecs, events
from schemas.registry import IncompatibleError, Registry, RegistryUnavailableError
from tests.schemas.registry_server import RegistryServer, registry_server

EVENT = events.Observation(experiment_id="rng-bias", values=[1.0, 0.0], observed_at=1796115600000000, source="s")


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with registry_server() as running:
        yield running


def _ours() -> dict[str, Any]:
    versions = avro.committed()["observation"]
    return versions[max(versions)]


def _frame(schema_id: int, schema: dict[str, Any], value: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return b"\x00" + schema_id.to_bytes(4, "big") + body.getvalue()


def test_a_frame_of_our_own_schema_is_read(server: RegistryServer) -> None:
    registry = Registry(server.url)
    schema_id = registry.register("sprt.observations-waldstream.observation", _ours())

    assert codecs.decode_observation(codecs.encode_confluent(EVENT, schema_id), registry) == EVENT


def test_a_frame_of_a_foreign_schema_is_resolved_to_ours(server: RegistryServer) -> None:
    schema = {
        "type": "record",
        "name": "observation",
        "namespace": "com.example",
        "fields": [
            {"name": "operator", "type": "string"},
            {"name": "values", "type": {"type": "array", "items": "float"}},
            {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "experiment_id", "type": "string"},
        ],
    }
    schema_id = server.add({"schema": json.dumps(schema)})
    value = {"operator": "ana", "values": [0.5], "observed_at": 1796115600000000, "experiment_id": "rng-bias"}
    read = codecs.decode_observation(_frame(schema_id, schema, value), Registry(server.url))

    assert read == events.Observation(experiment_id="rng-bias", values=[0.5], observed_at=1796115600000000)


def test_a_command_in_a_frame_is_told_by_the_name_of_its_record(server: RegistryServer) -> None:
    registry = Registry(server.url)
    schema_id = registry.register("sprt.control-waldstream.stop", avro.committed()["stop"][1])
    stop = events.Stop(id="c", experiment_id="rng-bias", reason="enough")

    assert codecs.decode(codecs.encode_confluent(stop, schema_id), *events.CONTROL, registry=registry) == stop


def test_a_schema_is_asked_for_once(server: RegistryServer) -> None:
    registry = Registry(server.url + "/")
    schema_id = server.add({"schema": json.dumps(_ours())})
    for _ in range(5):
        codecs.decode_observation(codecs.encode_confluent(EVENT, schema_id), registry)
        with pytest.raises(codecs.MalformedError):
            codecs.decode_observation(codecs.encode_confluent(EVENT, 7), registry)

    assert server.asked == [f"/schemas/ids/{schema_id}", "/schemas/ids/7"]


def test_what_was_read_once_is_read_without_the_registry(server: RegistryServer) -> None:
    registry = Registry(server.url)
    schema_id = registry.register("s", _ours())
    codecs.decode_observation(codecs.encode_confluent(EVENT, schema_id), registry)
    server.broken = 503

    assert codecs.decode_observation(codecs.encode_confluent(EVENT, schema_id), registry) == EVENT


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "the registry has no Avro record under the id 100"),
        ({"schema": "{}", "schemaType": "PROTOBUF"}, "no Avro record"),
        ({"schema": '"long"'}, "no Avro record"),
        ({"schema": json.dumps({"type": "record", "name": "observation", "fields": [{"name": "x", "type": "y"}]})},
         "schema 100 cannot be used"),
        ({"schema": json.dumps({"type": "record", "name": "payment", "fields": []})},
         "is a record 'payment'; allowed: observation"),
        ({"schema": json.dumps({"type": "record", "name": "observation", "fields": []})}, "not a valid Avro body"),
    ],
)  # fmt: skip
def test_what_the_registry_knows_but_we_cannot_read_is_malformed(
    server: RegistryServer, answer: dict[str, Any] | None, words: str
) -> None:
    schema_id = 100 if answer is None else server.add(answer)
    with pytest.raises(codecs.MalformedError, match=words):
        codecs.decode_observation(codecs.encode_confluent(EVENT, schema_id), Registry(server.url))


@pytest.mark.parametrize("frame", [b"\x00", b"\x00\x00\x00\x00", codecs.encode_confluent(EVENT, 100)[:-3]])
def test_a_frame_that_is_cut_short_is_malformed(server: RegistryServer, frame: bytes) -> None:
    server.add({"schema": json.dumps(_ours())})
    with pytest.raises(codecs.MalformedError):
        codecs.decode_observation(frame, Registry(server.url))


@pytest.mark.parametrize("status", [401, 404, 429, 500, 502, 503])
def test_a_registry_that_does_not_answer_as_one_is_unavailable(server: RegistryServer, status: int) -> None:
    server.broken = status
    registry = Registry(server.url)
    schema_id = server.add({"schema": json.dumps(_ours())})
    with pytest.raises(RegistryUnavailableError, match=str(status)):
        codecs.decode_observation(codecs.encode_confluent(EVENT, schema_id), registry)
    server.broken = None

    assert codecs.decode_observation(codecs.encode_confluent(EVENT, schema_id), registry) == EVENT


def test_a_registry_that_is_away_is_unavailable() -> None:
    with registry_server() as server:
        registry = Registry(server.url, timeout=1.0)
    with pytest.raises(RegistryUnavailableError, match=re.escape(server.url)):
        registry.schema(1)


def test_credentials_in_the_address_are_sent_and_never_told(server: RegistryServer) -> None:
    server.authorization = f"Basic {base64.b64encode(b'ana:s3:cr@t').decode()}"
    with_password = Registry(server.url.replace("//", "//ana:s3%3Acr%40t@"))
    assert with_password.schema(1) is None
    wrong = Registry(server.url.replace("//", "//ana:guess@"))
    with pytest.raises(RegistryUnavailableError) as caught:
        wrong.schema(1)

    assert "guess" not in str(caught.value)


def test_registering_twice_gives_one_id_and_a_refusal_is_told(server: RegistryServer) -> None:
    registry = Registry(server.url)
    first = registry.register("a/b", _ours())
    assert registry.register("a/b", _ours()) == first
    assert "/subjects/a%2Fb/versions" in server.asked
    server.refuses = True

    with pytest.raises(IncompatibleError, match="a/b: the registry refuses the schema: Schema being registered"):
        registry.register("a/b", _ours())


def test_the_registrys_own_rule_says_whether_a_schema_fits(server: RegistryServer) -> None:
    registry = Registry(server.url)
    assert registry.is_compatible("new", _ours())
    registry.register("new", _ours())
    assert registry.is_compatible("new", _ours())
    server.refuses = True

    assert not registry.is_compatible("new", _ours())


@pytest.mark.parametrize("url", ["ftp://host", "file:///etc/passwd", "registry:8081", "http://"])
def test_an_address_of_no_registry_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="schema registry"):
        Registry(url)
