"""One batch of one partition becomes one Redis transaction: documents, indexes, announcement and offset, or nothing.

The offset of each partition lies beside the data and is watched: a batch that does not continue exactly there (another
projector was faster, Redis lost its memory, records were delivered again) changes nothing and says where to go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis

from console.documents import ArchiveDocument, Changes, LivePoint, QueueLimit, RunDocument, TimelineEntry
from console.fold import Shelf, put
from console.keys import Keys, member
from console.walk import POINT, STORED_POINTS, pack, thinned, unpack
from schemas import events
from schemas.codecs import MalformedError, decode
from schemas.partitions import partition_of
from schemas.topics import Topics

_REPLY_SECONDS = 24 * 3600
#: What was sent to an id that was never defined is kept this long, so that the sender can be told.
_UNDEFINED_SECONDS = 24 * 3600
_EVENTS_KEPT = 10_000

Pipeline = Any  # redis-py types its pipeline by the commands of both its sync and its async client


class MovedError(Exception):
    """The batch does not continue where the read model stands; `offset` is where to go on."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the read model stands at offset {offset}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record as far as the projection reads it; `timestamp` in milliseconds."""

    offset: int
    timestamp: int
    value: bytes | None


class Projection:
    """The writing side of the read model."""

    def __init__(self, client: redis.Redis, topics: Topics, partitions: int) -> None:
        self._redis = client
        self._topics = topics
        self._partitions = partitions
        self._keys = Keys.of(topics)

    def position(self, topic: str, partition: int) -> int:
        """Return the offset up to which the read model holds the partition; 0 if it holds nothing."""
        return int(self._redis.get(self._keys.offset(topic, partition)) or 0)

    def apply(self, topic: str, partition: int, begin: int, records: Sequence[Record]) -> int:
        """Write the records, which start at position `begin`, and return the next position.

        Raises
        ------
        MovedError
            If the read model does not stand at `begin`; nothing was written.
        """
        following = records[-1].offset + 1
        watched = self._keys.offset(topic, partition)
        with self._redis.pipeline() as pipeline:
            pipeline.watch(watched)  # type: ignore[no-untyped-call]  # redis-py leaves this one without types
            if (stands := int(pipeline.get(watched) or 0)) != begin:
                raise MovedError(stands)
            changes = self._stage(topic, partition, records, pipeline)  # opens the transaction after its reads
            pipeline.set(watched, following)
            if changes != Changes():
                pipeline.publish(self._keys.changes, msgspec.json.encode(changes))
            try:
                pipeline.execute()
            except redis.WatchError:
                raise MovedError(self.position(topic, partition)) from None
        return following

    def _stage(self, topic: str, partition: int, records: Sequence[Record], pipeline: Pipeline) -> Changes:
        """Read what the records touch, open the transaction and queue what they change."""
        if topic == self._topics.control:
            return self._control(partition, records, pipeline)
        if topic == self._topics.walks:
            return self._walks(records, pipeline)
        if topic == self._topics.queues:
            return self._queues(records, pipeline)
        return self._archives(records, pipeline)

    def _control(self, partition: int, records: Sequence[Record], pipeline: Pipeline) -> Changes:
        moments: dict[str, list[tuple[events.ControlEvent, datetime]]] = {}
        for record in records:
            event = _readable(record, *events.CONTROL)
            if event is None or partition_of(event.experiment_id, self._partitions) != partition:
                continue  # a command on the wrong partition comes again: its owner forwards it
            at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            moments.setdefault(event.experiment_id, []).append((event, at))
        touched = {
            experiment_id: {event.run for event, _ in told if isinstance(event, events.Lifecycle)}
            for experiment_id, told in moments.items()
        }
        shelves = self._shelves(touched)
        before = {experiment_id: dict(shelf.runs) for experiment_id, shelf in shelves.items()}
        for experiment_id, shelf in shelves.items():
            for event, at in moments[experiment_id]:
                put(shelf, event, at)
        pipeline.multi()
        runs: list[RunDocument] = []
        entries: list[TimelineEntry] = []
        for experiment_id, shelf in shelves.items():
            runs += self._keep_runs(experiment_id, before[experiment_id], shelf, pipeline)
            entries += shelf.entries
            self._keep_history(experiment_id, shelf, pipeline)
        return Changes(runs=runs, entries=entries)

    def _shelves(self, touched: Mapping[str, set[int]]) -> dict[str, Shelf]:
        """Return of each experiment the newest run's document and those of the runs named."""
        latest = self._read([("get", self._keys.latest(experiment_id)) for experiment_id in touched])
        shelves = {}
        for (experiment_id, named), newest in zip(touched.items(), latest, strict=True):
            if newest is None:
                shelves[experiment_id] = Shelf()
                continue
            runs = sorted(named | {int(newest)})
            revisions, *documents = self._read(
                [
                    ("hgetall", self._keys.definitions(experiment_id)),
                    *(("get", self._keys.run(experiment_id, run)) for run in runs),
                ]
            )
            shelves[experiment_id] = Shelf(
                latest=int(newest),
                definitions={int(revision): decode(value, events.Defined) for revision, value in revisions.items()},
                runs={
                    run: msgspec.json.decode(value, type=RunDocument)
                    for run, value in zip(runs, documents, strict=True)
                    if value is not None
                },
            )
        return shelves

    def _read(self, asked: Sequence[tuple[str, str]]) -> list[Any]:
        """Return the answers of several reads in one round trip; the watched offset keeps them consistent."""
        with self._redis.pipeline(transaction=False) as reads:
            for command, key in asked:
                getattr(reads, command)(key)
            return list(reads.execute())

    def _keep_runs(
        self, experiment_id: str, before: dict[int, RunDocument | None], shelf: Shelf, pipeline: Pipeline
    ) -> list[RunDocument]:
        changed = []
        for run, document in shelf.runs.items():
            name = member(experiment_id, run)
            old = before.get(run)
            if document is None:
                pipeline.delete(self._keys.run(experiment_id, run))
                pipeline.zrem(self._keys.by_time, name)
                pipeline.zrem(self._keys.by_state("DEFINED"), name)
            elif document != old:
                changed.append(document)
                pipeline.set(self._keys.run(experiment_id, run), msgspec.json.encode(document))
                score = {name: document.since.timestamp()}
                if old is not None and old.state != document.state:
                    pipeline.zrem(self._keys.by_state(old.state), name)
                pipeline.zadd(self._keys.by_time, score)
                pipeline.zadd(self._keys.by_state(document.state), score)
        if shelf.latest is not None:
            pipeline.set(self._keys.latest(experiment_id), shelf.latest)
        return changed

    def _keep_history(self, experiment_id: str, shelf: Shelf, pipeline: Pipeline) -> None:
        for revision, defined in shelf.definitions.items():
            pipeline.hset(self._keys.definitions(experiment_id), str(revision), msgspec.json.encode(defined))
        for reply in shelf.replies:
            key = self._keys.reply(experiment_id, reply.command_id)
            pipeline.set(key, msgspec.json.encode(reply), ex=_REPLY_SECONDS)
        encoded = [msgspec.json.encode(entry) for entry in shelf.entries]
        timeline = self._keys.timeline(experiment_id)
        pipeline.rpush(timeline, *encoded)
        if shelf.latest is None:
            pipeline.expire(timeline, _UNDEFINED_SECONDS)
        else:
            pipeline.persist(timeline)
        for entry in encoded:
            pipeline.xadd(self._keys.events, {"entry": entry}, maxlen=_EVENTS_KEPT, approximate=True)

    def _walks(self, records: Sequence[Record], pipeline: Pipeline) -> Changes:
        added: dict[tuple[str, int], list[events.WalkPoint]] = {}
        for record in records:
            if (point := _readable(record, events.WalkPoint)) is not None:
                added.setdefault((point.experiment_id, point.run), []).append(point)
        keys = {name: self._keys.walk(*name) for name in added}
        lengths = self._read([("strlen", key) for key in keys.values()])
        packed = {name: b"".join(map(pack, points)) for name, points in added.items()}
        thinner: dict[tuple[str, int], bytes] = {}
        for name, length in zip(added, lengths, strict=True):
            if length + len(packed[name]) > STORED_POINTS * POINT.itemsize:
                whole = (self._read([("get", keys[name])])[0] or b"") + packed[name]
                thinner[name] = thinned(unpack(whole), STORED_POINTS // 2).tobytes()
        pipeline.multi()
        for name, key in keys.items():
            if name in thinner:
                pipeline.set(key, thinner[name])
            else:
                pipeline.append(key, packed[name])
        return Changes(points=[_live(points[-1]) for points in added.values()])

    def _archives(self, records: Sequence[Record], pipeline: Pipeline) -> Changes:
        pipeline.multi()
        archives = []
        for record in records:
            if (written := _readable(record, events.ArchiveWritten)) is not None:
                fields = {name: getattr(written, name) for name in ArchiveDocument.__struct_fields__}
                document = ArchiveDocument(**fields)
                pipeline.set(self._keys.archive(written.experiment_id, written.run), msgspec.json.encode(document))
                archives.append(document)
        return Changes(archives=archives)

    def _queues(self, records: Sequence[Record], pipeline: Pipeline) -> Changes:
        """Keep the limits; who waits and who runs is in the runs' own events."""
        told = [_readable(record, *events.QUEUE) for record in records]
        limits = {each.queue: max(0, each.limit) for each in told if isinstance(each, events.SlotLimit)}
        pipeline.multi()
        if limits:
            pipeline.hset(self._keys.limits, mapping=limits)
        return Changes(limits=[QueueLimit(queue=queue, limit=limit) for queue, limit in limits.items()])


def _live(point: events.WalkPoint) -> LivePoint:
    return LivePoint(
        experiment_id=point.experiment_id,
        run=point.run,
        n=point.n,
        llr=point.llr,
        p_value=point.p_value,
        total=point.total,
        offset=point.offset,
        at=round(point.at.timestamp() * 1e6),
    )


def _readable(record: Record, *kinds: type[Any]) -> Any:
    """Return the event, or None for bytes that are none: those are the worker's to reject."""
    try:
        return decode(record.value, *kinds)
    except MalformedError:
        return None
