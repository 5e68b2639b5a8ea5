"""Avro schemas generated from the event structs, and the committed files beside them.

A committed version is never edited: a change of a struct is a new `<name>.v<N+1>.avsc`, readable by and able to read
all earlier ones. Nested free-form objects travel as JSON text (logical type `json`), so that JSON and Avro have one
shape.
"""

import json
import re
import types
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Annotated, Any, Union, get_args, get_origin

import fastavro
import msgspec

from schemas import events
from schemas.topics import Topics

_PRIMITIVES: dict[Any, Any] = {
    str: "string",
    int: "long",
    float: "double",
    bool: "boolean",
    datetime: {"type": "long", "logicalType": "timestamp-micros"},
}
_JSON = {"type": "string", "logicalType": "json"}
#: Where a struct keeps the plain value of a logical type: a time in microseconds, JSON as its text.
_PLAIN = {"observation": "timestamp-micros", "cold_row": "json"}

fastavro.write.LOGICAL_WRITERS["string-json"] = lambda value, _schema: msgspec.json.encode(value).decode()
fastavro.read.LOGICAL_READERS["string-json"] = lambda text, _writer, _reader: msgspec.json.decode(text)


def event_name(cls: type[msgspec.Struct]) -> str:
    """Return the name of an event type in files and `type` fields: `SourceDone` is `source_done`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


BY_NAME: dict[str, type[msgspec.Struct]] = {event_name(cls): cls for cls in events.ALL}


def schema_of(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the Avro schema that the struct has today; fields with a default get it, so that old data can be read."""
    fields = []
    for field in msgspec.structs.fields(cls):
        entry: dict[str, Any] = {"name": field.name, "type": _avro_type(field.type)}
        if field.name == "observed_at":  # microseconds, as every time on the wire
            entry["type"] = ["null", _PRIMITIVES[datetime]]
        if not field.required:
            entry["default"] = "{}" if field.default is msgspec.NODEFAULT else field.default  # an empty object
        fields.append(entry)
    return {"type": "record", "name": event_name(cls), "namespace": "waldstream", "fields": fields}


def _avro_type(annotation: Any) -> Any:
    if annotation is events.JsonText:
        return _JSON
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = [a for a in arguments if a is not type(None)]
        return ["null", _avro_type(inner)]
    if origin is Annotated:
        return _avro_type(arguments[0])
    if origin is list:
        return {"type": "array", "items": _avro_type(arguments[0])}
    if origin is dict:
        return _JSON if arguments[1] is Any else {"type": "map", "values": _avro_type(arguments[1])}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return {**schema_of(annotation), "name": event_name(annotation)}
    return _PRIMITIVES[annotation]


def subjects(topics: Topics) -> dict[str, dict[str, Any]]:
    """Return what producers write in frames, by subject: observations under their topic, commands with their name."""
    newest = {name: versions[max(versions)] for name, versions in committed().items()}
    commands = (newest[event_name(kind)] for kind in events.COMMANDS)
    return {f"{topics.observations}-value": newest["observation"]} | {
        f"{topics.commands}-{schema['namespace']}.{schema['name']}": schema for schema in commands
    }


@cache
def committed() -> dict[str, dict[int, dict[str, Any]]]:
    """Return every committed schema as `{name: {version: schema}}`."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for file in (resources.files("schemas") / "avsc").iterdir():
        name, version = file.name.removesuffix(".avsc").rsplit(".v", 1)
        found.setdefault(name, {})[int(version)] = json.loads(file.read_text("utf-8"))
    return found


def fingerprint(schema: dict[str, Any]) -> bytes:
    """Return the CRC-64-AVRO fingerprint of the schema's canonical form: 8 bytes, little endian, as on the wire."""
    hexadecimal = fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return bytes.fromhex(hexadecimal)


def plain(name: str, schema: Any) -> Any:
    """Return a schema of any shape without the logical types that the struct of this event keeps plain."""
    if isinstance(schema, list):
        return [plain(name, branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: plain(name, part) for key, part in schema.items() if (key, part) != ("logicalType", _PLAIN.get(name))}
