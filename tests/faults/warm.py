"""Workers forked from one process that has everything imported: a fault costs a fraction of a second, not the imports.

They run the same code as a worker that was started afresh; only `tests/faults` uses them.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import structlog

from stack.launch import PR_SET_PDEATHSIG
from tests.processors import worker_process
from tests.processors.installation import Worker

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.faults.warm", "experiments.planning"])


class WarmWorker(Worker):
    """A worker process and what it writes to stderr."""

    def __init__(self, given: dict[str, Any], log: Path) -> None:
        self.log = log
        log.touch()
        self.process: Any = _Process(given, log)


class _Process:
    """What tests use of `subprocess.Popen`."""

    def __init__(self, given: dict[str, Any], log: Path) -> None:
        self._child = ForkServerProcess(target=_work, args=(given, str(log)))
        self._child.start()

    @property
    def pid(self) -> int:
        return self._child.pid or 0

    def poll(self) -> int | None:
        return self._child.exitcode

    def wait(self, seconds: float | None = None) -> int:
        self._child.join(seconds)
        code = self._child.exitcode
        assert code is not None, f"worker {self.pid} still runs after {seconds} s"
        return code

    def send_signal(self, number: int) -> None:
        if self._child.is_alive():
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _work(given: dict[str, Any], log: str) -> None:
    # The parent is the fork server, which ends when the tests do.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    try:
        worker_process.main(given)
    except BaseException as error:
        structlog.get_logger().exception("worker_breaks", error=repr(error))
        sys.stderr.flush()
        raise
