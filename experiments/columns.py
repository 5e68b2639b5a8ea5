"""From Kafka records to the columns of a batch: the same decoding for the worker, the exporter and the tests.

Every record ends in a row or among the undecodable ones, which keep their offset; none is dropped, nothing raises.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from experiments.batch import (
    ArchiveBatch,
    CommandBatch,
    ControlBatch,
    ControlRecord,
    Ints,
    Malformed,
    ObservationBatch,
    QueueBatch,
    Rejected,
)
from experiments.planning import Refusal, Solution
from experiments.texts import shown
from schemas import codecs, columnar, events
from schemas.packed import Packed, packed
from schemas.plain_json import read_json
from schemas.topics import MAX_VALUE_BYTES

_COMMAND_NAMES = tuple(str(kind.__struct_config__.tag) for kind in events.COMMANDS)
_FACT_NAMES = ("reply", *(kind.__struct_config__.tag for kind in events.LIFECYCLE))


#: Characters that a command may say; its events repeat them, so the largest command must not make a larger event.
_LONGEST = {"actor": 200, "reason": 2_000, "message": 2_000, "source": codecs.MAX_SOURCE_LENGTH}
_MESSAGE = 1_000
_LARGEST_LIMIT = 10**6
#: The code of a command that was turned away for coming too fast: nothing is remembered of it.
RATE_LIMITED = "rate_limited"
_TOO_FAST = "more commands for this experiment than are answered; allowed: the same command, with the same id, later"


class RawRecord(NamedTuple):
    """A Kafka record as read; `timestamp` is Kafka's, in microseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class RawColumns(NamedTuple):
    """Kafka records as read, in columns; each of them is one of a `RawRecord`."""

    offset: Ints
    timestamp: Ints
    keys: Packed
    values: Packed


class _Peek(msgspec.Struct):
    """What can be read of a control record that may be malformed."""

    type: Any = None
    id: Any = None
    experiment_id: Any = None


_peeking = msgspec.json.Decoder(_Peek)


def observation_batch(
    partition: int,
    first: int,
    following: int,
    records: Sequence[RawRecord] | RawColumns,
    *,
    registry: codecs.Resolver | None = None,
) -> ObservationBatch:
    """Return the records as columns; `first` and `following` are the reader's positions before and after them.

    `registry` reads Confluent frames; its `RegistryUnavailableError` is all that is raised: the batch has to wait.
    """
    raw = records if isinstance(records, RawColumns) else _in_columns(records)
    read = columnar.read_avro(raw.values)
    undecodable: list[Rejected] = []
    if len(read.rows) < len(raw.offset):
        read = columnar.merged(read, read_json(raw.values, _left(raw, read)))
    if len(read.rows) < len(raw.offset):
        read = columnar.merged(read, _one_by_one(raw, _left(raw, read), registry, undecodable))
    keys = raw.keys if len(read.rows) == len(raw.offset) else raw.keys.rows(read.rows)
    good = columnar.are_keys(keys, read.experiment, read.experiment_ids)
    if not good.all():
        undecodable += [
            _key_mismatch(raw, int(read.rows[at]), read.experiment_ids[read.experiment[at]])
            for at in np.flatnonzero(~good).tolist()
        ]
        read = read.keep(good)
    everything = len(read.rows) == len(raw.offset)
    starts = np.zeros(len(read.rows) + 1, np.int64)
    np.cumsum(read.lengths, out=starts[1:])
    return ObservationBatch(
        partition=partition,
        first=first,
        next=following,
        offset=raw.offset if everything else raw.offset[read.rows],
        timestamp=raw.timestamp if everything else raw.timestamp[read.rows],
        experiment=read.experiment,
        experiment_ids=tuple(read.experiment_ids),
        values=read.values,
        value_starts=starts,
        arm=read.arm,
        observed_at=read.observed_at,
        source=read.source,
        source_names=tuple(read.source_names),
        sequence=read.sequence,
        undecodable=tuple(sorted(undecodable, key=lambda it: it.offset)),
    )


def _left(raw: RawColumns, read: columnar.Columns) -> Ints:
    """Return the rows that were not read."""
    return np.setdiff1d(np.arange(len(raw.offset)), read.rows, assume_unique=True)


def _in_columns(records: Sequence[RawRecord]) -> RawColumns:
    return RawColumns(
        offset=_ints(record.offset for record in records),
        timestamp=_ints(record.timestamp for record in records),
        keys=packed([record.key for record in records]),
        values=packed([record.value for record in records]),
    )


def _key_mismatch(raw: RawColumns, row: int, experiment_id: str) -> Rejected:
    key = raw.keys.one(row) or b""
    message = f"key: {key[:80]!r}; allowed: the experiment_id {experiment_id!r}, or no key"
    return Rejected(int(raw.offset[row]), "key_mismatch", message, experiment_id)


def _one_by_one(
    raw: RawColumns, rows: Ints, registry: codecs.Resolver | None, undecodable: list[Rejected]
) -> columnar.Columns:
    """Return the records of these rows as columns, each read alone; those that cannot be read become undecodable."""
    read: list[events.Observation] = []
    kept = []
    for row in rows.tolist():
        record = RawRecord(int(raw.offset[row]), int(raw.timestamp[row]), raw.keys.one(row), raw.values.one(row))
        if (too_large := _too_large(record)) is not None:
            undecodable.append(too_large)
            continue
        try:
            read.append(codecs.decode_observation(record.value, registry))
        except codecs.MalformedError as error:
            undecodable.append(Rejected(record.offset, error.reason, shown(str(error), _MESSAGE)))
        else:
            kept.append(row)
    return columnar.of_events(_ints(kept), read)


def _too_large(record: RawRecord) -> Rejected | None:
    """Return the refusal of a value that was small enough for the log only because it came compressed."""
    size = len(record.value or b"")
    if size <= MAX_VALUE_BYTES:
        return None
    return Rejected(record.offset, "too_large", f"value: {size} bytes; allowed: at most {MAX_VALUE_BYTES}")


def control_batch(
    partition: int,
    first: int,
    following: int,
    records: Sequence[RawRecord],
    solve: Callable[[dict[str, Any]], Solution | Refusal | None],
    *,
    registry: codecs.Resolver | None = None,
    over_rate: Container[int] = (),
    horizons: Mapping[int, int] = MappingProxyType({}),
) -> ControlBatch:
    """Return the commands among the records, each `define` and `run` with what `solve` says of its definition.

    Replies and lifecycle events are passed over: the partition's owner wrote them itself. `over_rate` has the offsets
    of commands that came too fast; they are turned away unsolved. `horizons` has, by the offset of a `pause` or
    `resume`, the first observation that the log took after it.
    """
    commands: list[ControlRecord] = []
    undecodable = []
    for record in records:
        read = control_record(record, registry)
        if isinstance(read, Rejected):
            undecodable.append(read)
        elif isinstance(read, events.Command) and record.offset in over_rate:
            turned_away = Malformed(read.id, read.experiment_id, RATE_LIMITED, _TOO_FAST)
            commands.append(ControlRecord(record.offset, record.timestamp, turned_away))
        elif isinstance(read, events.Define | events.Run):
            commands.append(ControlRecord(record.offset, record.timestamp, read, solve(read.experiment)))
        elif read is not None:
            horizon = horizons.get(record.offset)
            commands.append(ControlRecord(record.offset, record.timestamp, read, horizon=horizon))
    return ControlBatch(partition, first, following, tuple(commands), tuple(undecodable))


def command_batch(
    partition: int,
    first: int,
    following: int,
    records: Sequence[RawRecord],
    *,
    registry: codecs.Resolver | None = None,
) -> CommandBatch:
    """Return the commands that go on to the control topic; whatever else lies on their topic is rejected there.

    Facts and grants above all: only workers may tell those.
    """
    commands, undecodable = [], []
    for record in records:
        read = control_record(record, registry)
        if isinstance(read, Rejected):
            undecodable.append(read)
        elif isinstance(read, events.Command | Malformed):
            commands.append((record.offset, read.experiment_id))
        else:
            message = f"a fact, where only commands may be sent; allowed: {', '.join(_COMMAND_NAMES)}"
            undecodable.append(Rejected(record.offset, "not_a_command", message))
    return CommandBatch(partition, first, following, tuple(commands), tuple(undecodable))


def archive_batch(partition: int, first: int, following: int, records: Sequence[RawRecord]) -> ArchiveBatch:
    """Return what the records say of archives; only exporters write there, so a foreign record is passed over."""
    written = []
    for record in records:
        try:
            written.append(codecs.decode(record.value, events.ArchiveWritten))
        except codecs.MalformedError:
            continue
    return ArchiveBatch(partition, first, following, tuple(written))


def queue_batch(partition: int, first: int, following: int, records: Sequence[RawRecord]) -> QueueBatch:
    """Return what the records say of queues; bytes that say nothing of them are rejected."""
    told: list[tuple[int, events.QueueEvent]] = []
    undecodable = []
    for record in records:
        try:
            event = cast("events.QueueEvent", codecs.decode(record.value, *events.QUEUE))
        except codecs.MalformedError as error:
            undecodable.append(Rejected(record.offset, "not_a_command", shown(str(error), _MESSAGE)))
            continue
        wrong = _wrong_with(event)
        if wrong is None:
            told.append((record.timestamp, event))
        else:
            undecodable.append(Rejected(record.offset, "not_a_command", wrong))
    return QueueBatch(partition, first, following, tuple(told), tuple(undecodable))


def _wrong_with(event: events.QueueEvent) -> str | None:
    """Return what is wrong with something told of a queue; a queue remembers it, so its size is bounded too."""
    if not codecs.EXPERIMENT_ID.fullmatch(event.queue):
        return f"queue: {event.queue[:80]!r}; allowed: [a-z0-9][a-z0-9._-]{{0,62}}"
    if isinstance(event, events.SlotLimit):
        fits = 0 <= event.limit <= _LARGEST_LIMIT
        return None if fits else f"limit: {event.limit}; allowed: 0 to {_LARGEST_LIMIT}"
    experiment_id, _, run = event.id.rpartition("/")
    if not codecs.EXPERIMENT_ID.fullmatch(experiment_id) or not re.fullmatch(r"[1-9][0-9]{0,15}", run):
        return f"id: {event.id[:80]!r}; allowed: <experiment>/<run>"
    if isinstance(event, events.SlotRequest):
        if event.id != f"{event.experiment_id}/{event.run}":
            return f"id: {event.id[:80]!r}; allowed: that of experiment_id and run"
        if not -100 <= event.priority <= 100:
            return f"priority: {event.priority}; allowed: -100 to 100"
    return None


def _too_long(command: events.Command) -> str | None:
    """Return which field of a command is too long or too large, in words."""
    for name, most in _LONGEST.items():
        text = getattr(command, name, None)
        if text is not None and len(text) > most:
            return f"{name}: {len(text)} characters; allowed: at most {most}"
    if isinstance(command, events.SourceDone) and not -1 <= command.last_sequence < 2**63:
        return f"last_sequence: {command.last_sequence}; allowed: -1 (no records) to 2^63 - 1"
    return None


def control_record(
    record: RawRecord, registry: codecs.Resolver | None = None
) -> events.Command | events.SlotGranted | Malformed | Rejected | None:
    """Return the command or grant, what is wrong with it, or None for a reply or a lifecycle event."""
    if (too_large := _too_large(record)) is not None:
        return too_large
    try:
        peek = _peeking.decode(record.value or b"") if (record.value or b"")[:1] == b"{" else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        peek = None
    if peek is not None and peek.type in _FACT_NAMES:
        return None
    try:
        event = codecs.decode(record.value, *events.CONTROL, registry=registry)
    except codecs.MalformedError as error:
        return _malformed(record, peek, error)
    if isinstance(event, events.SlotGranted):
        return event
    if not isinstance(event, events.Command):
        return None
    if not codecs.EXPERIMENT_ID.fullmatch(event.experiment_id):
        message = f"experiment_id: {event.experiment_id[:80]!r}; allowed: [a-z0-9][a-z0-9._-]{{0,62}}"
        return Rejected(record.offset, "not_a_command", message)
    if not 1 <= len(event.id) <= codecs.MAX_COMMAND_ID:
        message = f"id: {len(event.id)} characters; allowed: 1 to {codecs.MAX_COMMAND_ID}"
        return Rejected(record.offset, "not_a_command", message)
    if record.key is not None and record.key != event.experiment_id.encode():
        message = f"key: {record.key[:80]!r}; allowed: the experiment_id {event.experiment_id!r}, or no key"
        return Malformed(event.id, event.experiment_id, "key_mismatch", message)
    too_long = _too_long(event)
    return event if too_long is None else Malformed(event.id, event.experiment_id, "malformed", too_long)


def _malformed(record: RawRecord, peek: _Peek | None, error: codecs.MalformedError) -> Malformed | Rejected:
    """Return a reply to give where an id and an experiment can be read, else a record to reject."""
    if peek is None or not isinstance(peek.id, str) or not isinstance(peek.experiment_id, str):
        return Rejected(record.offset, "not_a_command", shown(str(error), _MESSAGE))
    if not 1 <= len(peek.id) <= codecs.MAX_COMMAND_ID or not codecs.EXPERIMENT_ID.fullmatch(peek.experiment_id):
        return Rejected(record.offset, "not_a_command", shown(str(error), _MESSAGE))
    if peek.type in _COMMAND_NAMES:
        return Malformed(peek.id, peek.experiment_id, "malformed", shown(str(error), _MESSAGE))
    message = f"type: {repr(peek.type)[:80]}; allowed: {', '.join(_COMMAND_NAMES)}"
    return Malformed(peek.id, peek.experiment_id, "unknown_command", message)


def _ints(values: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.fromiter(values, np.int64)
