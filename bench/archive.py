"""How long an archive takes, and how much memory: one run of many observations, every format, then its proof.

Run as `python -m bench.archive`; `--observations 10000000` shows that memory does not grow with the run.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from experiments.columns import RawRecord
from experiments.definition import parse
from experiments.planning import solve
from exporter.archive import Entry
from exporter.collect import collect
from exporter.folder import aside, publish
from exporter.formats import TABLE
from exporter.verify import verify
from schemas import codecs, events

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ID: Final = "bench-archive"
PER_FETCH: Final = 10_000  # records per batch, as the exporter reads them from Kafka


def definition(observations: int) -> dict[str, Any]:
    """Return a test that no walk near its middle ends before the limit."""
    return {
        "id": ID,
        "title": f"A run of {observations} observations",
        "owner": "bench",
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.51}},
        "errors": {"alpha": 1e-9, "beta": 1e-9, "thresholds": "wald"},
        "stop": {"max_samples": observations},
    }


def timeline(observations: int) -> tuple[Entry, ...]:
    """Return the control records of the run, from its definition to the decision at the limit."""
    solution = solve(parse(definition(observations)))
    place: dict[str, Any] = {"experiment_id": ID, "partition": 0, "offset": 0}
    digests: dict[str, Any] = {"definition_revision": 1, "design_digest": solution.design_digest}
    defined = events.Defined(
        id=f"{ID}/0/1", run=0, version=1, at=START, definition=solution.definition, lower=solution.lower,
        definition_digest=solution.definition_digest, upper=solution.upper, certificate=solution.certificate,
        **place, **digests,
    )  # fmt: skip
    started = events.Started(id=f"{ID}/1/2", run=1, version=2, at=START, **place, **digests)
    decision = events.Decision(
        id=f"{ID}/1", run=1, version=3, at=START + timedelta(seconds=observations / 1000), experiment_id=ID,
        partition=0, offset=observations - 1, index=0, reason="max_samples", outcome="inconclusive", n=observations,
        llr=0.0, p_value=1.0, p_kind="", lower=solution.lower, upper=solution.upper,
        design_digest=solution.design_digest, estimate={}, counts={},
    )  # fmt: skip
    told = (defined, started, decision)
    return tuple(Entry(partition=0, offset=at, at=event.at, event=event) for at, event in enumerate(told))


def records(observations: int) -> Iterator[Sequence[RawRecord]]:
    """Yield the run's records as Kafka would hand them over: one observation each, Avro, numbered, with its time."""
    rng, begin = np.random.default_rng(1), int(START.timestamp() * 1_000_000)
    for first in range(0, observations, PER_FETCH):
        size = min(PER_FETCH, observations - first)
        values = (rng.random(size) < 0.505).astype(float).tolist()
        yield [_record(first + k, value, begin + 1000 * (first + k)) for k, value in enumerate(values)]


def _record(number: int, value: float, stamp: int) -> RawRecord:
    observation = events.Observation(
        experiment_id=ID, values=[value], source="lab", sequence=number, observed_at=stamp - 500
    )
    return RawRecord(number, stamp, ID.encode(), codecs.encode_avro(observation))


def settled(told: tuple[Entry, ...], observations: int, folder: Path) -> tuple[Entry, ...]:
    """Return the timeline with the decision that the records lead to: its figures are those of the replica."""
    trial = collect(told, records(observations), folder / TABLE, "sprt.observations", "sprt.control")
    if trial.dispute is None or trial.dispute.replica is None:
        raise RuntimeError("the records decide nothing")
    given = {name: getattr(told[-1].event, name) for name in ("id", "at", "version")}
    decision = msgspec.structs.replace(trial.dispute.replica, **given)
    return (*told[:-1], msgspec.structs.replace(told[-1], event=decision))


def main() -> None:
    """Write one archive and print what each step took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=1_000_000)
    parser.add_argument("--formats", default="csv,json,parquet,pdf", help="separated by commas")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        archives = Path(place)
        told = settled(timeline(given.observations), given.observations, archives)
        (archives / TABLE).unlink()
        encoded = list(records(given.observations)) if given.observations <= 2_000_000 else None
        before = _peak()
        steps: dict[str, float] = {}
        began = last = time.perf_counter()

        def progress(step: str) -> None:
            nonlocal last
            steps[step], last = time.perf_counter() - last, time.perf_counter()

        with aside(archives, ID, 1) as folder:
            read = encoded if encoded is not None else records(given.observations)
            archive = collect(told, read, folder / TABLE, "sprt.observations", "sprt.control")
            progress("folded")
            written = publish(archive, folder, archives, given.formats.split(","), progress=progress)
        took = time.perf_counter() - began
        peak = _peak()
        began = time.perf_counter()
        proof = verify(archives / written.location, written.manifest_digest)
        proving = time.perf_counter() - began
        size = sum(path.stat().st_size for path in (archives / written.location).iterdir())
    result = {
        "observations": given.observations, "formats": given.formats, "seconds": round(took, 2),
        "peak_mb": round(peak), "before_mb": round(before), "verify_seconds": round(proving, 2), "verified": proof.ok,
        "archive_mb": round(size / 1e6, 1), "steps": {name: round(value, 2) for name, value in steps.items()},
    }  # fmt: skip
    sys.stdout.write(json.dumps(result, indent=2 if not given.json else None) + "\n")
    if not proof.ok:
        sys.exit("\n".join(proof.reasons))


def _peak() -> float:
    """Return the largest resident memory of the process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
