"""Bytes to events and back; the reader tells encodings apart by the first byte.

`{` is JSON, `0xC3 0x01` Avro single-object (fingerprint of the writer's schema, then the body), `0x00` a Confluent
frame (id of the writer's schema in a registry, then the body). Whatever cannot be read is a `MalformedError` that says
what was given and what is allowed; nothing else is ever raised, but that a registry which is needed does not answer.
"""

import io
import json
import re
from datetime import UTC, datetime
from functools import cache, lru_cache, reduce
from operator import or_
from typing import Any, Final, Protocol, TypeVar

import fastavro
import msgspec

from schemas import avro, events

T = TypeVar("T", bound=msgspec.Struct)

SINGLE_OBJECT: Final = b"\xc3\x01"
CONFLUENT: Final = b"\x00"
MAX_VALUES: Final = 10_000
MAX_SOURCE_LENGTH: Final = 128
MAX_COMMAND_ID: Final = 128
LATEST_TIME: Final = 253_402_300_799_000_000  # the end of year 9999, in microseconds
EXPERIMENT_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class MalformedError(ValueError):
    """Bytes that are no event: `reason` is `empty`, `malformed` or `unknown_schema`, the text is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Resolver(Protocol):
    """What knows schemas by their id: `schemas.registry.Registry`."""

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """Return the schema, None if there is none; raises `RegistryUnavailableError` if that cannot be told."""


class _ObservationJson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An observation in JSON, where the time may be text."""

    experiment_id: str
    values: list[float]
    arm: str | None = None
    observed_at: int | datetime | None = None
    source: str | None = None
    sequence: int | None = None


def encode_json(event: msgspec.Struct) -> bytes:
    """Return the event as JSON bytes (control events name their `type`)."""
    return msgspec.json.encode(event)


def encode_avro(event: msgspec.Struct) -> bytes:
    """Return the event as an Avro single-object value."""
    header, schema = _writer(type(event))
    buffer = io.BytesIO()
    buffer.write(header)
    fastavro.schemaless_writer(buffer, schema, msgspec.to_builtins(event, builtin_types=(datetime,)))
    return buffer.getvalue()


def encode_confluent(event: msgspec.Struct, schema_id: int) -> bytes:
    """Return the event as a Confluent frame: the body of its newest schema, which has that id in the registry."""
    return CONFLUENT + schema_id.to_bytes(4, "big") + encode_avro(event)[10:]


def registry_id(data: bytes | None) -> int | None:
    """Return the id of the schema that a Confluent frame names, None if the bytes are none."""
    return int.from_bytes(data[1:5], "big") if data and data[:1] == CONFLUENT and len(data) >= 5 else None


def decode_observation(data: bytes | None, registry: Resolver | None = None) -> events.Observation:
    """Return the observation that the bytes hold, its fields within the limits of the wire format.

    Raises
    ------
    MalformedError
        If the bytes are none of the encodings, or a field is outside its limits.
    RegistryUnavailableError
        If the bytes are a Confluent frame and the registry does not answer.
    """
    if data and data[:1] == b"{":
        return _checked(_from_json(_parse_json(data, (_ObservationJson,))))
    return _checked(decode(data, events.Observation, registry=registry))


def decode(data: bytes | None, *kinds: type[T], registry: Resolver | None = None) -> T:
    """Return the event that the bytes hold, one of `kinds`; raises `MalformedError` on anything else.

    Confluent frames need a `registry`; if it does not answer, its `RegistryUnavailableError` passes through.
    """
    if not data:
        raise MalformedError("empty", "the record has no value; allowed: JSON, Avro single-object, a Confluent frame")
    if data[:1] == b"{":
        event: T = _parse_json(data, kinds)
        return event
    if data[:2] == SINGLE_OBJECT:
        return _parse_avro(data, kinds)
    if data[:1] == CONFLUENT:
        return _parse_confluent(data, kinds, registry)
    raise MalformedError("malformed", f"the value begins with {data[:2]!r}; allowed: {{ (JSON), 0xC3 0x01 (Avro)")


def _from_json(raw: _ObservationJson) -> events.Observation:
    moment = raw.observed_at
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise MalformedError("malformed", f"observed_at: {moment.isoformat()} has no time zone; allowed: RFC 3339")
        moment = round(moment.astimezone(UTC).timestamp() * 1e6)
    return events.Observation(
        experiment_id=raw.experiment_id,
        values=raw.values,
        arm=raw.arm,
        observed_at=moment,
        source=raw.source,
        sequence=raw.sequence,
    )


def _checked(event: events.Observation) -> events.Observation:
    if not EXPERIMENT_ID.fullmatch(event.experiment_id):
        given = event.experiment_id[:80]
        raise MalformedError("malformed", f"experiment_id: {given!r}; allowed: [a-z0-9][a-z0-9._-]{{0,62}}")
    if not 1 <= len(event.values) <= MAX_VALUES:
        raise MalformedError("malformed", f"values: {len(event.values)} of them; allowed: 1 to {MAX_VALUES}")
    if event.arm not in (None, "a", "b"):
        raise MalformedError("malformed", f"arm: {event.arm[:80]!r}; allowed: null, a, b")
    if event.observed_at is not None and not 0 <= event.observed_at <= LATEST_TIME:
        raise MalformedError("malformed", f"observed_at: {event.observed_at}; allowed: 1970 to 9999, in microseconds")
    if event.source is not None and not 1 <= len(event.source) <= MAX_SOURCE_LENGTH:
        raise MalformedError(
            "malformed", f"source: {len(event.source)} characters; allowed: 1 to {MAX_SOURCE_LENGTH}, or null"
        )
    if event.sequence is not None and (event.source is None or not 0 <= event.sequence < 2**63):
        raise MalformedError(
            "malformed",
            f"sequence: {event.sequence} from source {event.source!r}; allowed: 0 or more, of a named source",
        )
    return event


def _parse_json(data: bytes, kinds: tuple[type[Any], ...]) -> Any:
    try:
        return _json_decoder(kinds).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError("malformed", f"not valid JSON of {_names(kinds)}: {error}") from error


def _parse_avro(data: bytes, kinds: tuple[type[T], ...]) -> T:
    known = _readers().get(data[2:10])
    if known is None:
        raise MalformedError("unknown_schema", f"the schema fingerprint {data[2:10].hex()} is no known version")
    kind, writer, newest = known
    if not issubclass(kind, kinds):
        raise MalformedError("malformed", f"the value is a {avro.event_name(kind)}; allowed: {_names(kinds)}")
    return _parse_body(data[10:], kind, writer, newest)


def _parse_confluent(data: bytes, kinds: tuple[type[T], ...], registry: Resolver | None) -> T:
    schema_id = registry_id(data)
    if schema_id is None:
        raise MalformedError("malformed", f"a Confluent frame of {len(data)} bytes; allowed: 5 and the body")
    if registry is None:
        raise MalformedError("unknown_schema", "a Confluent frame, but no schema registry is configured")
    schema = registry.schema(schema_id)
    if schema is None:
        raise MalformedError("unknown_schema", f"the registry has no Avro record under the id {schema_id}")
    name = str(schema.get("name", "")).rpartition(".")[2]
    kind = {avro.event_name(kind): kind for kind in kinds}.get(name)
    if kind is None:
        raise MalformedError("malformed", f"schema {schema_id} is a record {name[:80]!r}; allowed: {_names(kinds)}")
    try:
        writer = _foreign(json.dumps(schema), name)
    except Exception as error:  # fastavro's parser raises whatever a broken schema leads to
        raise MalformedError("unknown_schema", f"schema {schema_id} cannot be used: {error}") from error
    return _parse_body(data[5:], kind, writer, _writer(kind)[1])


@lru_cache(maxsize=256)
def _foreign(schema: str, name: str) -> Any:
    """Return a registry's schema of an event, parsed as our own are."""
    return fastavro.parse_schema(avro.plain(name, json.loads(schema)))


def _parse_body(data: bytes, kind: type[T], writer: Any, newest: Any) -> T:
    body = io.BytesIO(data)
    try:
        event = msgspec.convert(fastavro.schemaless_reader(body, writer, newest), kind)
    except Exception as error:  # fastavro's readers raise whatever the broken bytes lead to
        raise MalformedError("malformed", f"not a valid Avro body of {avro.event_name(kind)}: {error}") from error
    if rest := len(data) - body.tell():
        raise MalformedError("malformed", f"{rest} bytes are left over behind the Avro body of {avro.event_name(kind)}")
    return event


# msgspec works out a struct when one is first decoded, and threads that begin so at the same time crash the process
# (0.22), as those of two partitions may. So it is done here, where there is one thread.
for _kind in events.ALL:
    msgspec.json.Decoder(_kind)


@cache
def _json_decoder(kinds: tuple[type[msgspec.Struct], ...]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(reduce(or_, kinds))


def header(kind: type[msgspec.Struct]) -> bytes:
    """Return the ten bytes before the body of an Avro single-object value of the newest schema."""
    return _writer(kind)[0]


@cache
def _writer(kind: type[msgspec.Struct]) -> tuple[bytes, Any]:
    """Return the header of a single-object value (marker and fingerprint) and the parsed newest schema."""
    name = avro.event_name(kind)
    versions = avro.committed()[name]
    schema = versions[max(versions)]
    return SINGLE_OBJECT + avro.fingerprint(schema), fastavro.parse_schema(avro.plain(name, schema))


@cache
def _readers() -> dict[bytes, tuple[type[msgspec.Struct], Any, Any]]:
    """Return `{fingerprint: (event type, writer's schema, newest schema)}` over every committed version."""
    found = {}
    for name, versions in avro.committed().items():
        kind, last = avro.BY_NAME[name], max(versions)
        newest = _writer(kind)[1]
        for version, schema in versions.items():
            # The very same object: fastavro would compare another one with it, field by field, for every value.
            writer = newest if version == last else fastavro.parse_schema(avro.plain(name, schema))
            found[avro.fingerprint(schema)] = (kind, writer, newest)
    return found


def _names(kinds: tuple[type[Any], ...]) -> str:
    return ", ".join(avro.event_name(kind).lstrip("_").removesuffix("_json") for kind in kinds)
