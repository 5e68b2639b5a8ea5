"""A child never outlives its parent, and lives as long as it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stack.process import Child
from tests.stack.polling import eventually, gone

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
)
PARENT = """
import signal, sys
from pathlib import Path
from stack.process import Child, sigterm_unwinds

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
with sigterm_unwinds(), Child("sleeper", SLEEPER, log=Path("log")) as child:
    print(child.pid, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_child_ends_with_its_parent(number: signal.Signals, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=tmp_path,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.send_signal(number)
        parent.wait(20)
        assert eventually(lambda: gone(child))


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    born: list[Child] = []
    thread = threading.Thread(target=lambda: born.append(Child("sleeper", SLEEPER, log=tmp_path / "log")))
    thread.start()
    thread.join()
    # Only a thread's end could have hurt it: give the kernel a chance to deliver before looking.
    assert born[0].wait(0.5) is None
    born[0].kill()
    assert born[0].returncode == -signal.SIGKILL


def test_a_child_that_ignores_the_request_is_killed_at_the_deadline(tmp_path: Path) -> None:
    child = Child("stubborn", STUBBORN, log=tmp_path / "log")
    assert eventually(lambda: (tmp_path / "log").read_text() == "deaf\n")
    assert child.stop(deadline=0.2) == -signal.SIGKILL


def test_signals_that_the_parent_blocks_reach_the_child(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = Child("sleeper", SLEEPER, log=tmp_path / "log")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert child.stop(deadline=20) == -signal.SIGTERM


def test_a_killed_child_takes_its_own_children_along(tmp_path: Path) -> None:
    script = f"import subprocess; p = subprocess.Popen({list(SLEEPER)!r}); print(p.pid, flush=True); p.wait()"
    child = Child("family", (sys.executable, "-c", script), log=tmp_path / "log")
    assert eventually(lambda: (tmp_path / "log").read_text().endswith("\n"))
    grandchild = int((tmp_path / "log").read_text())
    child.kill()
    assert eventually(lambda: gone(grandchild))


def test_a_program_that_cannot_run_leaves_its_reason_in_the_log(tmp_path: Path) -> None:
    child = Child("missing", ("/nonexistent/program",), log=tmp_path / "log")
    assert child.wait(20) == 127
    assert (tmp_path / "log").read_text() == "cannot run /nonexistent/program: No such file or directory\n"
