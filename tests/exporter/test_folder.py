"""An archive is complete or absent, whatever happens while it is written."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.folder import aside, existing, location
from exporter.verify import verify
from tests.exporter.runs import FORMATS, Run

STEPS = (
    *(f"{done} {name}" for name in ("observations.parquet", "experiment.json", "observations.csv", "walk.csv")
      for done in ("written", "flushed")),
    *(f"{done} {name}" for name in ("summary.csv", "summary.parquet", "workbook.xlsx", "report.pdf")
      for done in ("written", "flushed")),
    *(f"{done} {name}" for name in ("table.tex", "references.bib") for done in ("written", "flushed")),
    "manifest", "folder", "renamed", "parent",
)  # fmt: skip

_FRESH = multiprocessing.get_context("forkserver")  # children of a process without typst's threads
_FRESH.set_forkserver_preload(["tests.exporter.runs"])


def _write_and_die(run: Run, archives: Path, step: str) -> None:
    def progress(done: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    run.published(archives, FORMATS, progress)


def complete(archives: Path) -> Iterator[Path]:
    """Yield what a reader of the archives' folder sees."""
    yield from archives.glob("[a-z0-9]*/*")


def test_the_steps_of_writing_are_these_in_this_order(h1_run: Run, tmp_path: Path) -> None:
    steps = list[str]()
    h1_run.published(tmp_path, FORMATS, steps.append)
    assert tuple(steps) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_kill_9_leaves_an_archive_complete_or_absent_and_then_it_is_written(
    h1_run: Run, tmp_path: Path, step: str
) -> None:
    process = _FRESH.Process(target=_write_and_die, args=(h1_run, tmp_path, step))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    seen = list(complete(tmp_path))
    assert len(seen) == (step in ("renamed", "parent"))
    assert all(verify(folder).ok for folder in seen)
    if not seen:
        h1_run.published(tmp_path)
    assert [verify(folder).reasons for folder in complete(tmp_path)] == [()]
    assert list((tmp_path / ".partial").iterdir()) == []


def test_the_same_run_gives_the_same_bytes_every_time(h1_run: Run, h1_folder: Path, tmp_path: Path) -> None:
    again = h1_run.published(tmp_path)
    for path in h1_folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_no_space_leaves_nothing_behind(h1_run: Run, tmp_path: Path) -> None:
    def progress(step: str) -> None:
        if step == "written walk.csv":
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        h1_run.published(tmp_path, FORMATS, progress)
    assert existing(tmp_path, "rng-bias", 1) is None
    assert list((tmp_path / ".partial").iterdir()) == []


def test_of_two_writers_the_second_is_told(tmp_path: Path) -> None:
    with aside(tmp_path, "rng-bias", 1), pytest.raises(BlockingIOError), aside(tmp_path, "rng-bias", 1):
        pass


@pytest.mark.parametrize("name", ["../x", "..", ".", "/etc", "a/b", "", "A", "a\x00", "a\n", "-a", "x" * 64, "\u202e"])
def test_a_name_cannot_lead_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="experiment_id"):
        location(name, 1)
    with pytest.raises(ValueError, match="experiment_id"), aside(tmp_path, name, 1):
        pass


def test_a_run_is_numbered_from_1() -> None:
    with pytest.raises(ValueError, match="allowed: 1, 2, 3"):
        location("rng-bias", 0)


def test_only_the_formats_asked_for_are_written_beside_the_proof(h1_run: Run, tmp_path: Path) -> None:
    folder = h1_run.published(tmp_path, ("csv",))
    names = {path.name for path in folder.iterdir()}
    proof = {"experiment.json", "manifest.json", "observations.parquet"}
    assert names == {*proof, "observations.csv", "summary.csv", "walk.csv"}
    assert verify(folder).ok
