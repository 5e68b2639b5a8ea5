"""The exporter on the real Kafka, with the events and records of a run produced as the worker would."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import httpx
import pytest

import sprt
from experiments.planning import stored_design
from exporter import document
from exporter.numbers import shown
from exporter.verify import verify
from schemas import codecs, events
from tests.exporter.installation import DEADLINE, Installation, measured, until
from tests.exporter.runs import Run

pytestmark = pytest.mark.stack


def test_a_decision_leads_to_an_archive_that_verifies_with_the_published_digest(installation: Installation) -> None:
    run = measured(installation)
    with installation.exporting():
        installation.publish(run)
        (written,) = until(installation.announced)
    folder = installation.archives / "rng-bias" / "1"
    assert (written.experiment_id, written.run, written.decision_id) == ("rng-bias", 1, "rng-bias/1")
    assert written.location == str(folder)
    assert not written.disputed
    proof = verify(folder, written.manifest_digest)
    assert proof.ok, proof.reasons
    read = document.decoded((folder / "experiment.json").read_bytes())
    assert read.decision == run.decision
    assert read.counts == {"applied": run.decision.n, "rejected": 1}
    assert [entry.event for entry in read.timeline] == [entry.event for entry in run.timeline]


def test_an_archive_that_stands_is_announced_again_but_not_written_again(installation: Installation) -> None:
    run = measured(installation)
    with installation.exporting():
        installation.publish(run)
        (first,) = until(installation.announced)
    before = (installation.archives / "rng-bias" / "1").stat()
    with installation.exporting(group=f"{installation.topics.prefix}-uncommitted"):
        again = until(lambda: installation.announced()[1:])
    assert [found.manifest_digest for found in again] == [first.manifest_digest]
    after = (installation.archives / "rng-bias" / "1").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_committed_decision_is_neither_written_nor_announced_again(installation: Installation) -> None:
    first, second = measured(installation), measured(installation, "second-one")
    with installation.exporting():
        installation.publish(first)
        until(installation.announced)
    with installation.exporting():
        installation.publish(second)
        until(lambda: len(installation.announced()) > 1)
    assert sorted(found.experiment_id for found in installation.announced()) == ["rng-bias", "second-one"]


def replayed(run: Run) -> list[tuple[int, float]]:
    """Return offset and log-likelihood ratio of every observation of the run, in order."""
    (defined,) = (it.event for it in run.timeline if isinstance(it.event, events.Defined))
    own = list[tuple[int, float]]()
    for record in run.records:
        with suppress(codecs.MalformedError):
            own.append((record.offset, codecs.decode(record.value, events.Observation).values[0]))
    llrs = sprt.path(stored_design(defined.definition, defined.lower, defined.upper), [value for _, value in own])
    return [(offset, float(llr)) for (offset, _), llr in zip(own, llrs, strict=True)]


def test_another_decision_than_the_replicas_is_archived_as_disputed(installation: Installation) -> None:
    run = measured(installation)
    wrong = run.with_decision(n=run.decision.n - 1, llr=run.decision.llr - 0.1)
    seen = replayed(run)
    for n, off in ((1, 0.0), (12, 0.0), (40, 0.25), (60, 0.5)):
        offset, llr = seen[n - 1]
        point = events.WalkPoint(
            experiment_id="rng-bias",
            run=1,
            n=n,
            llr=llr + off,
            p_value=1.0,
            total=0.0,
            offset=offset,
            at=run.decision.at,
        )
        installation.produce(installation.topics.walks, "rng-bias", [codecs.encode_avro(point)], "rng-bias")
    with installation.exporting():
        installation.publish(wrong)
        (written,) = until(installation.announced)
    assert written.disputed
    read = document.decoded((installation.archives / "rng-bias" / "1" / "experiment.json").read_bytes())
    offset, llr = seen[39]
    assert read.dispute is not None
    assert read.dispute.parting == (
        f"the first differing observation lies behind n = 12 and not behind n = 40: published {shown(llr + 0.25)} nats "
        f"at offset {offset}, the replica has {shown(llr)} nats at offset {offset}"
    )
    proof = verify(installation.archives / "rng-bias" / "1", written.manifest_digest)
    assert not proof.ok
    assert any("disputed: n: published" in reason for reason in proof.reasons)


def test_an_archive_of_another_decision_is_set_aside_not_overwritten(installation: Installation) -> None:
    old = measured(installation)
    standing = old.with_decision(version=99).published(installation.archives)
    digest = verify(standing)
    with installation.exporting():
        installation.publish(old)
        (written,) = until(installation.announced)
    assert verify(standing, written.manifest_digest).ok
    kept = [path for path in standing.parent.iterdir() if path != standing]
    assert len(kept) == 1
    assert verify(kept[0]).summary == digest.summary


def test_a_folder_that_cannot_be_written_delays_the_archive_and_loses_none(installation: Installation) -> None:
    run = measured(installation)
    installation.archives.parent.mkdir(exist_ok=True)
    installation.archives.write_text("a file where the folder should be")
    port = _free_port()
    with installation.exporting(metrics_port=port):
        installation.publish(run)
        until(lambda: 'sprt_archives_total{result="failed"}' in _metrics(port))
        assert installation.announced() == []
        installation.archives.unlink()
        (written,) = until(installation.announced)
        metrics = _metrics(port)
    assert verify(installation.archives / "rng-bias" / "1", written.manifest_digest).ok
    assert 'sprt_archives_total{result="written"} 1.0' in metrics
    assert "sprt_export_seconds_count 1.0" in metrics


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _metrics(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return ""  # not listening yet


def test_the_role_ends_with_exit_code_0_on_sigterm(installation: Installation) -> None:
    program = (
        "import sys; from pathlib import Path; from schemas.topics import Topics;"
        "from exporter.service import ExporterConfig, run;"
        "kafka, prefix, archives = sys.argv[1:];"
        "run(ExporterConfig({'bootstrap.servers': kafka}, Topics(prefix), 4, Path(archives), prefix))"
    )
    run = measured(installation)
    arguments = (installation.kafka["bootstrap.servers"], installation.topics.prefix, str(installation.archives))
    with subprocess.Popen((sys.executable, "-c", program, *arguments), stderr=subprocess.PIPE, env=os.environ) as role:
        installation.publish(run)
        until(installation.announced)
        role.send_signal(signal.SIGTERM)
        _, errors = role.communicate(timeout=DEADLINE)
    assert role.returncode == 0, errors.decode()
