"""FULL_TRANSITIVE compatibility of all committed versions of an event: each reads what every other has written.

Shown by doing it: the sample of a version, and the same with its nullable fields left empty, is written by that version
and read by each of the others; fields that both know must come out unchanged.
"""

import io
import json
from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from itertools import permutations
from typing import Any

import fastavro

from schemas import avro

Versions = dict[int, dict[str, Any]]
Samples = dict[int, dict[str, Any]]


def samples(name: str) -> Samples:
    """Return the committed samples of an event by version, as JSON values."""
    found = {}
    for file in (resources.files("schemas") / "samples").iterdir():
        event, version = file.name.removesuffix(".json").rsplit(".v", 1)
        if event == name:
            found[int(version)] = json.loads(file.read_text("utf-8"))
    return found


def all_problems() -> list[str]:
    """Return what is wrong with the committed schemas of all events: out of date, or unable to read each other."""
    found = []
    for name, kind in sorted(avro.BY_NAME.items()):
        versions = avro.committed().get(name, {})
        if not versions:
            found.append(f"{name}: no committed schema")
            continue
        if versions[max(versions)] != avro.schema_of(kind):
            found.append(f"{name}: differs from version {max(versions)}; allowed: a new version, beside the old")
        found += problems(name, versions, samples(name))
    return found


def problems(name: str, versions: Versions, examples: Samples) -> Iterator[str]:
    """Yield in words where a version cannot read what another has written; `examples` has one for each version."""
    parsed = {version: fastavro.parse_schema(schema) for version, schema in versions.items()}
    written: dict[int, list[bytes]] = {}
    for version, schema in sorted(versions.items()):
        if version not in examples:
            yield f"{name}.v{version}: no sample"
            continue
        try:
            written[version] = [_encoded(it, schema, parsed[version]) for it in _variants(schema, examples[version])]
        except Exception as error:  # noqa: BLE001 fastavro raises whatever a mismatch leads to; here it is the finding
            yield f"{name}.v{version}: its sample does not fit: {type(error).__name__}: {error}"
    for writer, reader in permutations(sorted(written), 2):
        found = (_problem(body, parsed[writer], parsed[reader]) for body in written[writer])
        if problem := next(filter(None, found), None):
            yield f"{name}.v{reader} cannot read {name}.v{writer}: {problem}"


def _encoded(example: dict[str, Any], schema: dict[str, Any], parsed: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, parsed, as_avro(example, schema))
    return body.getvalue()


def _problem(body: bytes, writer: Any, reader: Any) -> str | None:
    """Return what goes wrong when a body of one version is read by the other, None if nothing."""
    own: Any = fastavro.schemaless_reader(io.BytesIO(body), writer, None)
    try:
        theirs: Any = fastavro.schemaless_reader(io.BytesIO(body), writer, reader)
    except Exception as error:  # noqa: BLE001 as above
        return f"{type(error).__name__}: {error}"
    changed = sorted(name for name in own.keys() & theirs.keys() if own[name] != theirs[name])
    return f"fields changed: {', '.join(changed)}" if changed else None


def _variants(schema: dict[str, Any], example: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the example, and the example with each nullable field empty: a union is read by its branch."""
    yield example
    for field in schema["fields"]:
        if isinstance(field["type"], list) and "null" in field["type"]:
            yield example | {field["name"]: None}


def as_avro(value: Any, schema: Any) -> Any:
    """Return a JSON value as fastavro takes it: times are datetimes, fields the schema does not know are left out."""
    if isinstance(schema, list):
        others = [branch for branch in schema if branch != "null"]
        return None if value is None else as_avro(value, others[0])
    if not isinstance(schema, dict):
        return value
    if schema.get("logicalType") == "timestamp-micros":
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    if schema["type"] == "record":
        known = {field["name"]: field["type"] for field in schema["fields"]}
        return {name: as_avro(value[name], kind) for name, kind in known.items() if name in value}
    if schema["type"] == "array":
        return [as_avro(entry, schema["items"]) for entry in value]
    return value
