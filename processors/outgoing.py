"""What a step emits, as the records of its transaction, each with its partition set.

Rejected and forwarded records keep key, value and headers untouched; the reasons of a rejection are added headers.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from experiments.batch import Emissions, Forwarded, Rejected
from experiments.memory import Memory
from experiments.published import Points
from processors.inputs import Fetched
from processors.records import Delivered, Headers
from schemas import codecs, events
from schemas.binary import long, text
from schemas.partitions import partition_of
from schemas.stacked import doubles, joined, longs, texts
from schemas.topics import MAX_RECORD_BYTES, Topics

_ERRORS = "__sprt.errors."
_LONGEST_TEXT = 4_000
_LONGEST_KEY = 8 * 1024
_MOST_HEADERS = 16 * 1024


class Record(NamedTuple):
    """A record to be produced."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Pairs(NamedTuple):
    """Keys and values of records without headers that go to one partition: a busy batch has tens of thousands."""

    topic: str
    partition: int
    pairs: Sequence[tuple[bytes, bytes]]


class Outgoing(NamedTuple):
    """The records of a transaction: some of all kinds, the points of walks, the rows of state."""

    records: list[Record]
    walks: Pairs
    rows: Pairs


def outgoing(
    topics: Topics,
    memory: Memory,
    emissions: Emissions,
    rows: Sequence[tuple[bytes, bytes]],
    fetched: Fetched | None = None,
) -> Outgoing:
    """Return every record of the step's transaction; `fetched` is what the step was given, if anything."""
    partition, partitions = memory.partition, memory.partitions
    made = [_control(topics, partition, event) for event in emissions.control]
    made += [_control(topics, partition_of(grant.experiment_id, partitions), grant) for grant in emissions.grants]
    for told in emissions.queues:
        value = codecs.encode_json(told)
        made.append(Record(topics.queues, partition_of(told.queue, partitions), told.queue.encode(), value, []))
    if fetched is not None and (emissions.rejected or emissions.forwarded):
        topic = getattr(topics, fetched.input)
        offsets = sorted({it.offset for it in emissions.rejected} | {it.offset for it in emissions.forwarded})
        by_offset = dict(zip(offsets, fetched.of_offsets(offsets), strict=True))
        made += [_rejected(topics, topic, partition, by_offset[it.offset], it) for it in emissions.rejected]
        onward = topics.control if fetched.input == "commands" else topic
        made += [_forwarded(onward, by_offset[it.offset], it) for it in emissions.forwarded]
    return Outgoing(made, Pairs(topics.walks, partition, _walks(emissions.walks)), Pairs(topics.state, partition, rows))


def _walks(points: Points) -> list[tuple[bytes, bytes]]:
    """Return the points as `codecs.encode_avro` writes their events, all at once."""
    if not points:
        return []
    keys, heads = zip(*(_of_walk(*run) for run in points.runs), strict=True)
    n, offset = longs(points.n, points.offset)
    columns = (
        texts(heads).rows(points.of),
        n,
        doubles(points.llr, points.p_value, points.total),
        offset,
        *longs(points.at),
    )
    return list(zip(map(keys.__getitem__, points.of.tolist()), joined(columns), strict=True))


@lru_cache(maxsize=16_384)
def _of_walk(experiment_id: str, run: int) -> tuple[bytes, bytes]:
    """Return what all points of a walk have in common: their key, and what their values begin with."""
    return experiment_id.encode(), codecs.header(events.WalkPoint) + text(experiment_id) + long(run)


def _control(topics: Topics, partition: int, event: events.Reply | events.Lifecycle | events.SlotGranted) -> Record:
    kind = str(event.__struct_config__.tag)
    identity = event.command_id if isinstance(event, events.Reply) else event.id
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", identity.encode()),
        ("ce_type", f"waldstream.{kind}".encode()),
        ("ce_source", f"/waldstream/{topics.control}/{partition}".encode()),
        ("ce_time", event.at.isoformat().encode()),
        ("content-type", b"application/json"),
    ]
    return Record(topics.control, partition, event.experiment_id.encode(), codecs.encode_json(event), headers)


def _rejected(topics: Topics, topic: str, partition: int, message: Delivered, rejected: Rejected) -> Record:
    original = message.headers
    attempt = next((int(v or 0) for k, v in original if k == f"{_ERRORS}attempt" and (v or b"0").isdigit()), 0) + 1
    facts = {
        "topic": topic,
        "partition": partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "reason": rejected.reason,
        "message": rejected.message[:_LONGEST_TEXT],
        "experiment_id": (rejected.experiment_id or "")[:_LONGEST_TEXT],
        "schema": _schema(message.value),
        "attempt": attempt,
    }
    key, value = message.key, message.value
    foreign = [header for header in original if not header[0].startswith(_ERRORS)]
    if not _fits(message):
        # Sent compressed, it was small enough for the log; written here it would not be.
        if value is not None and len(value) > MAX_RECORD_BYTES:
            facts["cut_from_bytes"] = len(value)
            value = value[:MAX_RECORD_BYTES]
        if key is not None and len(key) > _LONGEST_KEY:
            facts["cut_key_from_bytes"] = len(key)
            key = key[:_LONGEST_KEY]
        if (size := _size(foreign)) > _MOST_HEADERS:
            facts["cut_header_bytes"] = size
            foreign = []
    added: Headers = [(_ERRORS + name, str(fact).encode()) for name, fact in facts.items()]
    return Record(topics.rejected, partition, key, value, foreign + added)


def _forwarded(topic: str, message: Delivered, forwarded: Forwarded) -> Record:
    headers = list(message.headers)
    if not _fits(message):  # its value does, so the headers are what is too large: the observation goes before them
        headers = [(_ERRORS + "cut_header_bytes", str(_size(headers)).encode())]
    return Record(topic, forwarded.partition, message.key, message.value, headers)


def _fits(message: Delivered) -> bool:
    """Return whether the record can be written as it is, however little it can be compressed."""
    return len(message.key or b"") + len(message.value or b"") + _size(message.headers) <= MAX_RECORD_BYTES - 1024


def _size(headers: Headers) -> int:
    """Return how many bytes headers take in a record, with room for their lengths."""
    return sum(len(name.encode()) + len(value or b"") + 8 for name, value in headers)


def _schema(value: bytes | None) -> str:
    """Return how the value says it is encoded: `json`, its schema's fingerprint or registry id, or nothing."""
    if not value:
        return ""
    if value[:1] == b"{":
        return "json"
    if value[:2] == codecs.SINGLE_OBJECT and len(value) >= 10:
        return f"avro:{value[2:10].hex()}"
    if value[:1] == b"\x00" and len(value) >= 5:
        return f"confluent:{int.from_bytes(value[1:5], 'big')}"
    return ""
