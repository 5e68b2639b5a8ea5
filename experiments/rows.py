"""Memory as rows of the state topic and back: one cold and one hot row per experiment, one position row per partition.

Every row names its version, and older versions keep reading. A row is written only when its part has changed.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from immutables import Map

import sprt
from experiments.batch import Emissions
from experiments.memory import Answer, Cold, Experiment, Hot, Memory, Pause, Queue, Share, State
from experiments.planning import stored_design
from experiments.sequences import Seen
from experiments.sharing import shared
from schemas import codecs, events
from schemas.binary import NO_ITEMS, double, items, long, text, time, two_doubles

ROW_VERSION = 2  # since 2 the missing numbers of a source count down from its highest, so that rows stay small
POSITION_KEY = b"\x00position"
_HOT_SUFFIX = b"\x00hot"
_QUEUE_PREFIX = b"\x00queue/"

Row = tuple[bytes, bytes]


def to_rows(memory: Memory, emissions: Emissions) -> list[Row]:
    """Return the rows that the step changed, and the position row last."""
    rows = [(name.encode(), _cold_row(memory.experiments[name].cold)) for name in emissions.cold]
    rows += [(name.encode() + _HOT_SUFFIX, _hot_row(name, memory.experiments[name].hot)) for name in emissions.hot]
    rows += [(_QUEUE_PREFIX + name.encode(), _queue_row(name, memory.queues[name])) for name in emissions.queue_rows]
    position = events.PositionRow(positions=dict(memory.positions), counts=dict(memory.counts))
    return [*rows, (POSITION_KEY, codecs.encode_avro(position))]


def load(partition: int, partitions: int, rows: Iterable[tuple[bytes, bytes | None]]) -> Memory:
    """Return the memory that the rows of a partition hold, the last row of a key counting.

    Raises
    ------
    ValueError
        If a row is of a version this program does not know, or cannot be read: state is never guessed.
    """
    last = {key: value for key, value in rows if value is not None}
    memory = Memory(partition, partitions)
    if position := last.pop(POSITION_KEY, None):
        at = codecs.decode(position, events.PositionRow)
        memory = Memory(partition, partitions, positions=Map(at.positions), counts=Map(at.counts))
    experiments = {}
    for key, value in last.items():
        if key.endswith(_HOT_SUFFIX) or key.startswith(_QUEUE_PREFIX):
            continue
        cold = _cold(codecs.decode(value, events.ColdRow))
        experiments[cold.experiment_id] = Experiment(cold, _walk(cold, last.get(key + _HOT_SUFFIX)))
    return replace(memory, experiments=Map(experiments), queues=Map(queues(last.items())))


def queues(rows: Iterable[tuple[bytes, bytes | None]]) -> dict[str, Queue]:
    """Return the queues among rows of the state topic, the last row of a key counting."""
    last = {key: value for key, value in rows if value is not None and key.startswith(_QUEUE_PREFIX)}
    found = {}
    for value in last.values():
        row = codecs.decode(value, events.QueueRow)
        _check_version(row.row_version, row.queue)
        found[row.queue] = Queue(row.limit, frozenset(row.holding), tuple(row.waiting))
    return found


def _queue_row(name: str, queue: Queue) -> bytes:
    row = events.QueueRow(
        row_version=ROW_VERSION,
        queue=name,
        limit=queue.limit,
        holding=sorted(queue.holding),
        waiting=list(queue.waiting),
    )
    return codecs.encode_avro(row)


def _cold_row(cold: Cold) -> bytes:
    body = {field.name: getattr(cold, field.name) for field in fields(cold)}
    body["answers"] = [[command_id, asdict(given)] for command_id, given in cold.answers]
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in body.items()}
    row = events.ColdRow(row_version=ROW_VERSION, experiment_id=cold.experiment_id, body=plain)
    return codecs.encode_avro(row)


def _cold(row: events.ColdRow) -> Cold:
    _check_version(row.row_version, row.experiment_id)
    body: dict[str, Any] = dict(row.body)
    for name in ("started_at", "deadline", "pause_began", "retry_at", "schedule_anchor", "due"):
        body[name] = None if body[name] is None else datetime.fromisoformat(body[name])
    body["state"] = State(body["state"])
    body["pauses"] = tuple(Pause(*each) for each in body.get("pauses", ()))
    body["source_end"] = None if body["source_end"] is None else tuple(body["source_end"])
    body["answers"] = tuple((command_id, Answer(**given)) for command_id, given in body["answers"])
    body.update({name: shared(body[name]) for name in ("definition", "certificate")})
    return Cold(**body)


def _hot_row(experiment_id: str, hot: Hot) -> bytes:
    """Return an `events.HotRow`, put together by hand: a batch writes one of each experiment that it touches."""
    statistic = hot.statistic
    parts = (
        _hot_head(experiment_id, hot.run),
        long(statistic.n),
        two_doubles(statistic.llr, statistic.max_llr),
        items([long(count) for count in statistic.counts]),
        items([double(total) for total in statistic.sums]),
        text(statistic.waiting),
        long(hot.observations),
        double(hot.total),
        items([text(name) + long(number) for name, number in hot.counts.items()]),
        items([text(name) + long(number) for name, number in hot.earlier.items()]) if hot.earlier else NO_ITEMS,
        items([_source(name, seen) for name, seen in sorted(hot.sources.items())]),
        items([text(name) + long(number) + double(total) for name, (number, total) in sorted(hot.shares.items())]),
        _marks(hot.marks),
        time(hot.last_applied),
        time(hot.last_point_at),
        long(hot.last_point_n),
    )
    return b"".join(parts)


@lru_cache(maxsize=16_384)
def _hot_head(experiment_id: str, run: int) -> bytes:
    return codecs.header(events.HotRow) + long(ROW_VERSION) + text(experiment_id) + long(run)


@lru_cache(maxsize=16_384)  # of most experiments they stay for many batches
def _marks(marks: tuple[Share, ...]) -> bytes:
    return items([long(number) + double(total) for number, total in marks])


def _source(name: str, seen: Seen) -> bytes:
    lowest, highest, missing, lost = seen
    gaps = items([long(gap) for gap in sorted(highest - number for number in missing)]) if missing else NO_ITEMS
    return text(name) + long(lowest) + long(highest) + gaps + long(lost)


def _hot(row: events.HotRow) -> Hot:
    _check_version(row.row_version, row.experiment_id)
    return Hot(
        run=row.run,
        statistic=sprt.state_from_row({name: getattr(row.statistic, name) for name in row.statistic.__struct_fields__}),
        observations=row.observations,
        total=row.total,
        counts=Map(row.counts),
        earlier=Map(row.earlier),
        sources=Map({source.source: _seen(source, row.row_version) for source in row.sources}),
        last_applied=row.last_applied_us,
        last_point_at=row.last_point_us,
        last_point_n=row.last_point_n,
        shares=Map({share.name: Share(share.observations, share.total) for share in row.shares}),
        marks=tuple(Share(mark.observations, mark.total) for mark in row.marks),
    )


def _walk(cold: Cold, row: bytes | None) -> Hot:
    """Return the hot part of a row, or that of an experiment which never ran."""
    if row is None:
        return Hot(0, sprt.init(stored_design(cold.definition, cold.lower, cold.upper)))
    return _hot(codecs.decode(row, events.HotRow))


def _seen(row: events.SourceRow, version: int) -> Seen:
    missing = row.missing if version < 2 else [row.highest - number for number in row.missing]
    return Seen(row.lowest, row.highest, frozenset(missing), row.lost)


def _check_version(version: int, experiment_id: str) -> None:
    if version > ROW_VERSION:
        raise ValueError(
            f"state row of {experiment_id!r} has version {version}; this program reads up to {ROW_VERSION}: upgrade it"
        )
