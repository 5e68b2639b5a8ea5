"""A full disk and a folder that may not be written: no half archive, no lost one."""

import multiprocessing
import os
import resource
import signal
from pathlib import Path

import pytest

from exporter.verify import verify
from tests.exporter.runs import FORMATS, Run

_FRESH = multiprocessing.get_context("forkserver")
_NOBODY = 65_534


def _with_limit(run: Run, archives: Path, limit: int, said: "multiprocessing.Queue[str]") -> None:
    """Publish where no file may grow past the limit, as if the disk were full there."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    _publish(run, archives, said)


def _as_nobody(run: Run, archives: Path, said: "multiprocessing.Queue[str]") -> None:
    """Publish as a user who may not write there."""
    if os.getuid() == 0:
        os.setuid(_NOBODY)
    _publish(run, archives, said)


def _publish(run: Run, archives: Path, said: "multiprocessing.Queue[str]") -> None:
    try:
        run.published(archives, FORMATS)
        said.put("written")
    except OSError as error:
        said.put(f"OSError: {error}")
    except BaseException as error:  # noqa: BLE001 shown to the test
        said.put(f"{type(error).__name__}: {error}")


def said_by(target: object, *arguments: object) -> str:
    queue = _FRESH.Queue()
    process = _FRESH.Process(target=target, args=(*arguments, queue))  # type: ignore[arg-type]  # a function of them
    process.start()
    answer: str = queue.get(timeout=60)
    process.join(60)
    return answer


@pytest.mark.parametrize("limit", [1, 5_000, 15_000, 20_000, 40_000])
def test_where_the_disk_is_full_there_is_no_archive_and_with_room_there_is(
    limit: int, h1_run: Run, h1_folder: Path, tmp_path: Path
) -> None:
    assert limit < max(path.stat().st_size for path in h1_folder.iterdir())
    assert said_by(_with_limit, h1_run, tmp_path, limit).startswith("OSError: ")
    assert list(tmp_path.glob("[a-z]*")) == []
    assert list((tmp_path / ".partial").iterdir()) == []

    assert verify(h1_run.published(tmp_path)).ok


def test_a_folder_that_may_not_be_written_is_an_error_that_passes(h1_run: Run, tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    for folder in (*reversed(tmp_path.parents[:2]), tmp_path):
        folder.chmod(0o755)
    archives.chmod(0o555)
    assert said_by(_as_nobody, h1_run, archives).startswith("OSError: [Errno 13]")
    assert list(archives.iterdir()) == []
    archives.chmod(0o755)

    assert verify(h1_run.published(archives)).ok
