"""Exporters killed between any two steps, 20 times each: an archive is complete or absent, then present, none twice."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from exporter import manifest
from exporter.service import ExporterConfig, serve
from exporter.verify import verify
from schemas.topics import Topics
from tests.exporter.installation import Installation, installed, measured, until
from tests.faults.oracle import Verdict, assert_exact
from tests.faults.report import Report
from tests.faults.scene import REPEATS

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(1_800)]

POINTS = (
    "begun", "folded", "written observations.parquet", "flushed experiment.json", "written walk.csv",
    "written report.pdf", "manifest", "folder", "renamed", "parent", "announced", "committed",
)  # fmt: skip

multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.faults.test_archives", "exporter.report.pdf"])


def exporting(given: dict[str, Any], point: str, archives: Path, marks: Path, log: Path) -> None:
    """Export until killed, by itself at a named step: once for each number of archives that stand by then."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)

    def progress(step: str) -> None:
        mark = marks / str(len(list(archives.glob("run-*/1"))))
        if step == point and not mark.exists() and sum(1 for _ in marks.iterdir()) < REPEATS:
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    serve(ExporterConfig(archives=archives, **given), threading.Event(), progress)


def standing(archives: Path, proved: dict[str, str]) -> dict[str, str]:
    """Return what a reader of the archives' folder sees, each with its digest, after proving what is new."""
    found = {}
    for folder in archives.glob("[a-z0-9]*/*"):
        name, digest = f"{folder.parent.name}/{folder.name}", manifest.read(folder)[1]
        if proved.get(name) != digest:
            proof = verify(folder)
            assert proof.ok, (folder, proof.reasons)
        found[name] = digest
    return found


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_leaves_every_archive_whole_or_absent_and_then_it_stands_once(
    point: str, kafka: str, tmp_path: Path, report: Report
) -> None:
    installation: Installation = installed(kafka, tmp_path / "archives")
    marks = tmp_path / "marks"
    marks.mkdir()
    keys = [f"run-{number}" for number in range(REPEATS)]
    runs = [measured(installation, key, seed=number) for number, key in enumerate(keys)]
    for run in runs:
        installation.publish(run)
    formats = ("csv", "pdf") if "pdf" in point else ("csv",)
    prefix = installation.topics.prefix
    properties = {**installation.kafka, "session.timeout.ms": "6000", "group.instance.id": "one"}
    given = {"kafka": properties, "topics": Topics(prefix), "partitions": 4, "group": prefix, "formats": formats}
    archives, log = installation.archives, tmp_path / "log"

    def exporter() -> ForkServerProcess:
        process = ForkServerProcess(target=exporting, args=(given, point, archives, marks, log), daemon=True)
        process.start()
        return process

    seen: dict[str, str] = {}
    for _ in range(REPEATS):
        doomed = exporter()
        doomed.join(120)
        assert doomed.exitcode == -signal.SIGKILL, log.read_text()[-2000:]
        now = standing(archives, seen)
        assert seen.items() <= now.items()  # what stood is untouched
        seen = now
    assert len(list(marks.iterdir())) == REPEATS
    last = exporter()
    try:
        until(lambda: len({it.experiment_id for it in installation.announced()}) == REPEATS)
        announced = installation.announced()
    finally:
        last.kill()
        last.join()
    stands = standing(archives, {})
    digests = {(f"{event.experiment_id}/{event.run}", event.manifest_digest) for event in announced}
    decided = {f"{run.decision.experiment_id}/1": run.decision.n for run in runs}
    verdict = Verdict(
        records=sum(decided.values()),
        lost=len(decided.keys() - stands.keys()),
        doubled=len(digests) - len(decided),  # announced again after a kill, but always as the same archive
        wrong_decisions=len(digests ^ set(stands.items())),
    )
    report.add(1, f"16 exporter killed: {point}", REPEATS, verdict)
    assert_exact(verdict)
    assert list((archives / ".partial").iterdir()) == []
