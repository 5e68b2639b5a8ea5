"""Rejected records sent again to where they came from: after the experiment was defined, or a schema registered."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from waldstream import settings
from waldstream.terminal import Json, RefusedError, out, print_json
from waldstream.wiring import Wiring

if TYPE_CHECKING:
    from producers.reading import Record
    from schemas.registry import Registry
    from schemas.topics import Topics

_ERRORS = "__sprt.errors."


def replay_rejected(
    experiment: Annotated[str | None, typer.Option("--experiment", help="Only records of this experiment.")] = None,
    why: Annotated[str | None, typer.Option("--because", help="Only records rejected for this reason.")] = None,
    unnumbered: Annotated[
        bool,
        typer.Option("--unnumbered", help="Also records without a sequence number: sent twice, these count twice."),
    ] = False,
    json: Json = False,
) -> None:
    """Send rejected observations again, as they were; one that was applied meanwhile is dropped by its number."""
    from producers import reading
    from producers.connection import partitions_of
    from producers.sending import Sender

    if experiment is None and why is None:
        raise typer.BadParameter("which records? allowed: --experiment, --because, or both")
    given = settings.load()
    kafka, topics = given.kafka(), given.topics()
    partitions = range(partitions_of(kafka, topics.rejected))
    registry = Wiring(given).registry()
    chosen, left = [], 0
    for record in _of_interest(reading.until_end(kafka, topics.rejected, partitions), topics, experiment, why):
        if unnumbered or _is_numbered(record, registry):
            chosen.append(record)
        else:
            left += 1
    if not chosen and left:
        raise RefusedError(f"{left} records have no sequence number and would count twice; allowed: --unnumbered")
    sender = Sender(kafka)
    for record in chosen:
        sender.send(topics.observations, record.key, record.value, tuple(record.headers.items()))
    sender.flush()
    if json:
        print_json({"sent": len(chosen), "unnumbered": left})
    else:
        out.print(f"records sent again: {len(chosen)}" + (f", {left} without a number left" if left else ""))


def _of_interest(
    records: "Iterator[Record]", topics: "Topics", experiment: str | None, why: str | None
) -> "Iterator[Record]":
    """Yield the observations that are asked for, each once however often it was rejected."""
    seen = set()
    for record in records:
        source, reason, of, number, place, cut = (
            record.headers.get(_ERRORS + name, b"").decode("utf-8", "replace")
            for name in ("topic", "reason", "experiment_id", "partition", "offset", "cut_from_bytes")
        )
        wanted = experiment in (None, of) and why in (None, reason)
        if source != topics.observations or not wanted or cut or (number, place) in seen:
            continue
        seen.add((number, place))
        yield record


def _is_numbered(record: "Record", registry: "Registry | None") -> bool:
    from schemas import codecs

    try:
        return codecs.decode_observation(record.value, registry).sequence is not None
    except codecs.MalformedError:
        return False
