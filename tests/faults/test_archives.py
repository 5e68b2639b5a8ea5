"""Exporters killed between any two steps, 20 times each: an archive is complete or absent, then present, none twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter import manifest
from exporter.verify import verify
from tests.exporter.installation import Installation, installed, measured, until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(1_800)]

POINTS = (
    "begun", "folded", "written observations.parquet", "flushed experiment.json", "written walk.csv",
    "written report.pdf", "manifest", "folder", "renamed", "parent", "announced", "committed",
)  # fmt: skip
REPEATS = 20
KILLED = -9

#: An exporter that kills itself at a named step, once for each number of archives that stand by then.
PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
from exporter.service import ExporterConfig, serve
from schemas.topics import Topics
kafka, prefix, archives, point, marks, repeats = sys.argv[1:]
def progress(step):
    mark = Path(marks, str(len(list(Path(archives).glob("run-*/1")))))
    if step == point and not mark.exists() and len(os.listdir(marks)) < int(repeats):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
properties = {"bootstrap.servers": kafka, "session.timeout.ms": "6000", "group.instance.id": "one"}
config = ExporterConfig(properties, Topics(prefix), 4, Path(archives), prefix, formats=("csv", "pdf"))
serve(config, threading.Event(), progress)
"""


def whole(archives: Path) -> dict[str, str]:
    """Return what a reader of the archives' folder sees, each with its digest, after proving it."""
    found = {}
    for folder in archives.glob("[a-z0-9]*/*"):
        proof = verify(folder)
        assert proof.ok, (folder, proof.reasons)
        found[f"{folder.parent.name}/{folder.name}"] = manifest.read(folder)[1]
    return found


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_leaves_every_archive_whole_or_absent_and_then_it_stands_once(
    point: str, kafka: str, tmp_path: Path
) -> None:
    installation: Installation = installed(kafka, tmp_path / "archives")
    marks = tmp_path / "marks"
    marks.mkdir()
    keys = [f"run-{number}" for number in range(REPEATS)]
    for number, key in enumerate(keys):
        installation.publish(measured(installation, key, seed=number))
    arguments = (kafka, installation.topics.prefix, str(installation.archives), point, str(marks), str(REPEATS))
    seen: dict[str, str] = {}
    for _ in range(REPEATS):
        with (tmp_path / "log").open("ab") as log:
            killed = subprocess.run(
                (sys.executable, "-c", PROGRAM, *arguments), stderr=log, env=os.environ, timeout=120, check=False
            )
        assert killed.returncode == KILLED, (tmp_path / "log").read_text()[-2000:]
        now = whole(installation.archives)
        assert seen.items() <= now.items()  # what stood is untouched
        seen = now
    assert len(list(marks.iterdir())) == REPEATS
    with (tmp_path / "log").open("ab") as log:
        last = subprocess.Popen((sys.executable, "-c", PROGRAM, *arguments), stderr=log, env=os.environ)
    try:
        until(lambda: len({it.experiment_id for it in installation.announced()}) == REPEATS)
        announced = installation.announced()
    finally:
        last.kill()
        last.wait()
    assert whole(installation.archives).keys() == {f"{key}/1" for key in keys}
    digests = {(event.experiment_id, event.manifest_digest) for event in announced}
    assert len(digests) == REPEATS  # announced again after a kill, but always as the same archive
    assert {f"{key}/1": digest for key, digest in digests} == whole(installation.archives)
    assert list((installation.archives / ".partial").iterdir()) == []
