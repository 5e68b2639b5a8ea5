"""Memory as rows of the state topic and back: one cold and one hot row per experiment, one position row per partition.

Every row names its version, and older versions keep reading. A row is written only when its part has changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields, replace
from functools import lru_cache

import msgspec
import numpy as np
from immutables import Map

import sprt
from experiments.batch import Emissions
from experiments.experiment import Cold, Experiment, Hot, Share
from experiments.ledger import Account, Experiments, Numbers
from experiments.memory import Memory, Queue
from experiments.planning import stored_design
from experiments.sequences import Seen
from experiments.sharing import shared, shared_parts
from schemas import codecs, events
from schemas.binary import NO_ITEMS, double, items, long, text, time, two_doubles
from schemas.stacked import doubles, joined, longs, same, texts

ROW_VERSION = 2  # since 2 the missing numbers of a source count down from its highest, so that rows stay small
POSITION_KEY = b"\x00position"
_HOT_SUFFIX = b"\x00hot"
_QUEUE_PREFIX = b"\x00queue/"

Row = tuple[bytes, bytes]

_UNREAD = {"definition": dict[str, msgspec.Raw], "certificate": msgspec.Raw}
#: Reads the cold part of an experiment, but for what many have in common.
_BODY = msgspec.json.Decoder(
    msgspec.defstruct(
        "ColdBody",
        [
            (it.name, _UNREAD.get(it.name, it.type), msgspec.NODEFAULT if it.default is MISSING else it.default)
            for it in fields(Cold)
        ],
    )
)
_COUNTED = ("n", "count", "observations", "records", "highest", "share", "last_point_n")
_WIDEST = 512  # bytes that stay the same of rows put together at once: a table is as wide as its longest row
_NO_SUMS_NOBODY_WAITS = NO_ITEMS + NO_ITEMS + text("")  # behind the counts, which end as well


def to_rows(memory: Memory, emissions: Emissions) -> list[Row]:
    """Return the rows that the step changed, and the position row last."""
    rows = [(name.encode(), _cold_row(memory.experiments[name].cold)) for name in emissions.cold]
    rows += zip((name.encode() + _HOT_SUFFIX for name in emissions.hot), _hot_rows(memory, emissions.hot), strict=True)
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
    return replace(memory, experiments=Experiments.of(experiments), queues=Map(queues(last.items())))


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
    body = msgspec.json.encode(cold).decode()
    return codecs.encode_avro(events.ColdRow(row_version=ROW_VERSION, experiment_id=cold.experiment_id, body=body))


def _cold(row: events.ColdRow) -> Cold:
    _check_version(row.row_version, row.experiment_id)
    body = msgspec.structs.asdict(_BODY.decode(row.body))
    body.update(definition=shared_parts(body["definition"]), certificate=shared(body["certificate"]))
    return Cold(**body)


def _hot_rows(memory: Memory, experiment_ids: Sequence[str]) -> list[bytes]:
    """Return the hot rows of these experiments; of those with an account only the numbers are encoded anew."""
    ledger = memory.experiments.ledger
    lowest = ledger.numbers["lowest"]
    rows: dict[str, int] = {}
    for experiment_id, entry in zip(experiment_ids, memory.experiments.entries(experiment_ids), strict=True):
        if isinstance(entry, int):
            account = ledger.accounts[entry]
            if account.fixed is None:
                _fix(account, int(lowest[entry]))
            if account.fixed:
                rows[experiment_id] = entry
    places = list(rows.values())
    counted = iter(_counted_rows([ledger.accounts[row] for row in places], ledger.numbers[places]) if rows else ())
    return [next(counted) if it in rows else _hot_row(it, memory.experiments[it].hot) for it in experiment_ids]


def _counted_rows(accounts: Sequence[Account], numbers: Numbers) -> list[bytes]:
    """Return the rows that `_hot_row` makes of these experiments, put together around what stays the same."""
    fixed = zip(*[account.fixed or () for account in accounts], strict=True)
    head, to_records, to_source, to_share, marks = (texts(parts) for parts in fixed)
    is_numbered = np.array([account.is_numbered for account in accounts])
    is_shared = np.array([account.is_shared for account in accounts])
    n, count, observations, records, highest, share, point_n = longs(*(numbers[name] for name in _COUNTED))
    last_applied, last_point_at = longs(numbers["last_applied"], numbers["last_point_at"])
    columns = (
        head,
        n,
        doubles(numbers["llr"], numbers["max_llr"]),
        same(long(1), len(accounts)),
        count,
        same(_NO_SUMS_NOBODY_WAITS, len(accounts)),
        observations,
        doubles(numbers["total"]),
        to_records,
        records,
        to_source,
        highest.where(is_numbered),
        to_share,
        share.where(is_shared),
        doubles(numbers["share_total"]).where(is_shared),
        marks,
        last_applied,
        last_point_at,
        point_n,
    )
    return joined(columns)


def _fix(account: Account, lowest: int) -> None:
    """Keep with an account what stays the same of its rows, the parts between its numbers; none where too wide."""
    experiment, source = account.experiment, account.source or ""
    hot = experiment.hot
    to_records, behind_records = _around(_counts(hot), account.counted_as)
    if account.is_numbered:
        to_source, behind_source = _around(_sources(hot), source)
        to_source += text(source) + long(lowest)
        behind_source = NO_ITEMS + long(hot.sources[source].lost if source in hot.sources else 0) + behind_source
    else:
        to_source, behind_source = _in_order(_sources(hot)), b""
    if account.is_shared:
        to_share, behind_share = _around(_shares(hot), f"source:{source}")
        to_share += text(f"source:{source}")
    else:
        to_share, behind_share = _in_order(_shares(hot)), b""
    fixed = (
        _hot_head(experiment.cold.experiment_id, hot.run),
        to_records + text(account.counted_as),
        behind_records + _earlier(hot) + to_source,
        behind_source + to_share,
        behind_share + _marks(hot.marks),
    )
    object.__setattr__(account, "fixed", fixed if sum(map(len, fixed)) <= _WIDEST else ())


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
        _in_order(_counts(hot)),
        _earlier(hot),
        _in_order(_sources(hot)),
        _in_order(_shares(hot)),
        _marks(hot.marks),
        time(hot.last_applied),
        time(hot.last_point_at),
        long(hot.last_point_n),
    )
    return b"".join(parts)


def _counts(hot: Hot) -> dict[str, bytes]:
    return {name: text(name) + long(number) for name, number in hot.counts.items()}


def _earlier(hot: Hot) -> bytes:
    return items([text(name) + long(number) for name, number in hot.earlier.items()])


def _sources(hot: Hot) -> dict[str, bytes]:
    return {name: _source(name, seen) for name, seen in hot.sources.items()}


def _shares(hot: Hot) -> dict[str, bytes]:
    return {name: text(name) + long(number) + double(total) for name, (number, total) in hot.shares.items()}


def _in_order(encoded: dict[str, bytes]) -> bytes:
    """Return an array or a map of these items in the order of their names."""
    return items([encoded[name] for name in sorted(encoded)])


def _around(encoded: dict[str, bytes], name: str) -> tuple[bytes, bytes]:
    """Return what `_in_order` puts before and behind the item of this name, which may be a new one."""
    others = sorted(encoded.keys() - {name})
    if not others:
        return long(1), NO_ITEMS
    before = b"".join([encoded[other] for other in others if other < name])
    behind = b"".join([encoded[other] for other in others if other > name])
    return long(len(others) + 1) + before, behind + NO_ITEMS


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
