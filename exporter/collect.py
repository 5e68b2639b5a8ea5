"""From a run's control records and observation records to its `Archive`: folded again and compared."""

import importlib.metadata
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from experiments.batch import Rejected
from experiments.columns import RawRecord, observation_batch
from experiments.planning import stored_design
from exporter.archive import Archive, Dispute, Entry, Offsets, decision_of, defined_of, run_of, started_of
from exporter.estimates import estimates
from exporter.fold import Fold
from exporter.observations import write
from schemas import avro, events
from schemas.codecs import Resolver

_DISTRIBUTIONS = ("waldstream", "numpy", "scipy", "pyarrow", "typst")


def collect(
    timeline: Sequence[Entry],
    batches: Iterable[Sequence[RawRecord]],
    table: Path,
    topic: str,
    control_topic: str,
    *,
    registry: Resolver | None = None,
) -> Archive:
    """Return the archive of the run that the timeline tells, its observation table written to `table`.

    Parameters
    ----------
    timeline
        The run's control records, from its definition to its decision, in log order.
    batches
        Its observation records in log order, those of other experiments among them or not.
    registry
        Reads Confluent frames; its `RegistryUnavailableError` passes through.
    """
    started, decision, defined = started_of(timeline), decision_of(timeline), defined_of(timeline)
    fold = Fold(defined, run_of(timeline))
    observations = write(table, _rows(fold, batches, started, registry))
    differences = fold.differences(decision)
    design = stored_design(defined.definition, defined.lower, defined.upper)
    return Archive(
        defined=defined,
        started=started,
        decision=decision,
        timeline=tuple(timeline),
        counts=dict(sorted(fold.counts.items())),
        offsets=_offsets(timeline, started, decision, topic, control_topic),
        versions=versions(),
        observations=observations,
        estimates=estimates(decision, design, fold.statistic, observations),
        dispute=Dispute(replica=fold.conclude(), differences=differences) if differences else None,
    )


def span(started: events.Started, decision: events.Decision) -> tuple[int, int]:
    """Return the first and the last offset of a run's records; the last is below the first where there are none."""
    first, end = started.offset or 0, decision.offset or 0
    return first, end if decision.index is not None else end - 1


def versions() -> dict[str, str]:
    """Return the software that made an archive, and the observation schema's newest version."""
    software = {name: _version(name) for name in _DISTRIBUTIONS}
    return {"python": platform.python_version(), **software, "observation": f"v{max(avro.committed()['observation'])}"}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "source tree"  # waldstream itself, when it runs without being installed


def _rows(
    fold: Fold, batches: Iterable[Sequence[RawRecord]], started: events.Started, registry: Resolver | None
) -> Iterator[pa.RecordBatch]:
    for records in batches:
        if records:
            first, following = records[0].offset, records[-1].offset + 1
            batch = observation_batch(started.partition or 0, first, following, records, registry=registry)
            yield fold.rows(batch, _unreadable(batch.undecodable, records, started.experiment_id))


def _unreadable(rejected: Sequence[Rejected], records: Sequence[RawRecord], experiment_id: str) -> list[Rejected]:
    """Return the records without values that carry the experiment's key."""
    keyed = {record.offset for record in records if record.key == experiment_id.encode()} if rejected else set()
    return [record for record in rejected if record.offset in keyed]


def _offsets(
    timeline: Sequence[Entry], started: events.Started, decision: events.Decision, topic: str, control_topic: str
) -> Offsets:
    first, last = span(started, decision)
    return Offsets(
        topic=topic,
        partition=started.partition or 0,
        first=first,
        last=last,
        control_topic=control_topic,
        control_partition=timeline[-1].partition,
        control_first=timeline[0].offset,
        control_last=timeline[-1].offset,
    )
