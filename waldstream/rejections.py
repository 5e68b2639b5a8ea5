"""The newest records of `sprt.rejected`: what was wrong with each, and the bytes themselves, untouched."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from producers import reading
from producers.connection import closing, consumer, end_of, partitions_of, reaching
from schemas.topics import Topics

_HEADER = "__sprt.errors."
#: Rejected records are few; this many per partition are looked at for the newest of one experiment.
_LOOKED_AT = 20_000


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One record that could not be applied: where it came from, why, and its bytes."""

    at: datetime
    topic: str
    partition: int
    offset: int
    reason: str
    message: str
    experiment_id: str | None
    key: bytes | None
    value: bytes | None


def newest(kafka: Mapping[str, str], topics: Topics, limit: int, experiment_id: str | None = None) -> list[Rejection]:
    """Return the newest rejected records, the newest first; of one experiment only, if it is named."""
    partitions = range(partitions_of(kafka, topics.rejected))
    with reaching(kafka), closing(consumer(kafka)) as reader:
        start = {number: end_of(reader, topics.rejected, number)[1] - _LOOKED_AT for number in partitions}
    found = [_rejection(record) for record in reading.until_end(kafka, topics.rejected, partitions, start=start)]
    wanted = [entry for entry in found if experiment_id in (None, entry.experiment_id)]
    return sorted(wanted, key=lambda entry: entry.at, reverse=True)[:limit]


def _rejection(record: reading.Record) -> Rejection:
    def text(name: str) -> str:
        return record.headers.get(_HEADER + name, b"").decode("utf-8", "replace")

    return Rejection(
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        topic=text("topic"),
        partition=int(text("partition") or record.partition),
        offset=int(text("offset") or -1),
        reason=text("reason"),
        message=text("message"),
        experiment_id=text("experiment_id") or None,
        key=record.key,
        value=record.value,
    )
