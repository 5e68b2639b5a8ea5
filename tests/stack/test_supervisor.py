"""Programs are kept running, reported when they end, and stopped in reverse order."""

import os
import queue
import signal
import sys
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.supervisor import FIRST_PAUSE, Exit, Program, Supervisor
from tests.stack.polling import eventually


def program(name: str, code: str, *, restart: bool = False) -> Program:
    return Program(name, (sys.executable, "-c", code), restart=restart)


SLEEP = "import time; time.sleep(600)"


def test_a_program_that_was_killed_is_started_again(tmp_path: Path) -> None:
    exits: queue.SimpleQueue[Exit] = queue.SimpleQueue()
    with Supervisor(tmp_path, on_exit=exits.put) as supervisor:
        supervisor.start(program("worker", SLEEP, restart=True))
        first = supervisor.pid("worker")
        os.kill(first, signal.SIGKILL)
        assert exits.get(timeout=20) == Exit("worker", -signal.SIGKILL, tmp_path / "worker.log", FIRST_PAUSE)
        assert eventually(lambda: supervisor.pid("worker") != first)
        assert supervisor.running("worker")
    assert not supervisor.running("worker")


def test_a_program_that_is_not_to_be_restarted_is_reported_with_its_code(tmp_path: Path) -> None:
    exits: queue.SimpleQueue[Exit] = queue.SimpleQueue()
    with Supervisor(tmp_path, on_exit=exits.put) as supervisor:
        supervisor.start(program("task", "raise SystemExit(3)"))
        assert supervisor.wait("task", 20) == 3
        assert exits.get(timeout=20) == Exit("task", 3, tmp_path / "task.log", None)


def test_programs_are_stopped_last_first(tmp_path: Path) -> None:
    script = (
        "import signal, sys, time\n"
        "def end(*_): open('order', 'a').write(sys.argv[1] + '\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"
    )
    supervisor = Supervisor(tmp_path)
    names = ["one", "two", "three"]
    for name in names:
        supervisor.start(Program(name, (sys.executable, "-c", script, name), cwd=tmp_path))
    for name in names:
        assert eventually((tmp_path / f"{name}.log").read_text)
    supervisor.stop()
    assert (tmp_path / "order").read_text().split() == names[::-1]


def test_a_name_is_used_once(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(program("worker", SLEEP))
        with pytest.raises(StackError, match="worker was already started"):
            supervisor.start(program("worker", SLEEP))


def test_the_environment_of_a_program_is_the_given_one(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        code = "import os; print(os.environ['GREETING'])"
        supervisor.start(Program("env", (sys.executable, "-c", code), env={"GREETING": "hello"}))
        assert supervisor.wait("env", 20) == 0
    assert (tmp_path / "env.log").read_text() == "hello\n"
