"""What there is, read from Kafka alone in a bounded time: the documents of experiments and the newest points of walks.

The documents are those of the console, made by the same fold; no Redis is needed.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from console.documents import RunDocument
from console.fold import Shelf, put
from producers import reading
from producers.connection import closing, consumer, end_of, partitions_of, reaching
from schemas import codecs, events
from schemas.topics import Topics

#: Records at the end of a partition of walks in which the newest point of a live run is looked for.
_TAIL = 2_000


def at(record: reading.Record) -> datetime:
    """Return the Kafka time of a record."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def shelves(kafka: Mapping[str, str], topics: Topics, *, only: Collection[int] | None = None) -> dict[str, Shelf]:
    """Return the documents of every experiment, by id; of some partitions only, if these are named."""
    partitions = partitions_of(kafka, topics.control)
    found: dict[str, Shelf] = {}
    for record in reading.until_end(kafka, topics.control, sorted(only or range(partitions))):
        event = reading.control_event(record.value)
        if event is not None and record.key is not None:
            put(found.setdefault(event.experiment_id, Shelf()), event, at(record))
    return {key: shelf for key, shelf in found.items() if shelf.latest is not None}


def runs(shelf: Shelf) -> list[RunDocument]:
    """Return the runs of an experiment, the newest first."""
    documents = (shelf.runs[number] for number in sorted(shelf.runs, reverse=True))
    return [document for document in documents if document is not None]


def newest_points(
    kafka: Mapping[str, str], topics: Topics, partitions: Collection[int]
) -> dict[tuple[str, int], events.WalkPoint]:
    """Return the newest point of each run that has one near the end of its partition, by experiment and run."""
    with reaching(kafka), closing(consumer(kafka)) as reader:
        start = {number: end_of(reader, topics.walks, number)[1] - _TAIL for number in partitions}
    found: dict[tuple[str, int], events.WalkPoint] = {}
    for record in reading.until_end(kafka, topics.walks, sorted(partitions), start=start):
        if (point := walk_point(record)) is not None:
            found[point.experiment_id, point.run] = point
    return found


def decisions(kafka: Mapping[str, str], topics: Topics) -> list[events.Decision]:
    """Return every decision, partition by partition."""
    partitions = range(partitions_of(kafka, topics.control))
    found = (reading.control_event(record.value) for record in reading.until_end(kafka, topics.control, partitions))
    return [event for event in found if isinstance(event, events.Decision)]


def walk_point(record: reading.Record) -> events.WalkPoint | None:
    """Return the point that a record of `sprt.walks` holds, None if it holds none."""
    try:
        return codecs.decode(record.value, events.WalkPoint)
    except codecs.MalformedError:
        return None
