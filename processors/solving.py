"""Solves definitions in a process of its own, since a design may take seconds and the stream must not wait.

A definition that is too costly, or that breaks the solver, is answered with a refusal; it never harms the worker.
"""

import multiprocessing
import os
import resource
import signal
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NoReturn

import msgspec

from experiments.planning import Refusal, Solution, plan

LIMIT_SECONDS = 10.0
_MEMORY_LIMIT = 4 * 1024**3
_REMEMBERED = 256
_REMEDY = "allowed: a smaller max_samples, or thresholds that need no search"

Solved = Future[Solution | Refusal]


class _TooCostlyError(BaseException):
    """Not an Exception, so that no `except Exception` of a numeric library can swallow it."""


class Solver:
    """A bounded process pool, started with the first definition; the newest answers are remembered."""

    def __init__(self, processes: int = 1, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._processes = processes
        self._limit = limit_seconds
        self._pool: ProcessPoolExecutor | None = None
        self._known: OrderedDict[bytes, Solved] = OrderedDict()
        self._lock = threading.RLock()  # a callback may run at once, in the thread that adds it

    def solve(self, definition: dict[str, Any]) -> Solved:
        """Return the future solution of a definition, or the refusal that says why there is none."""
        key = msgspec.json.encode(definition)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            answer: Solved = Future()
            self._known[key] = answer
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            self._submit(definition).add_done_callback(lambda done: self._settle(key, answer, done))
            return answer

    def _submit(self, definition: dict[str, Any]) -> Solved:
        for _ in range(2):
            if self._pool is None:
                # From a fork server: a fork of this process would inherit the locks of its many threads.
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload(["experiments.planning"])
                self._pool = ProcessPoolExecutor(self._processes, mp_context=context, initializer=_become_solver)
            try:
                return self._pool.submit(_plan_within, definition, self._limit)
            except BrokenProcessPool:
                self._pool = None
        failed: Solved = Future()
        failed.set_exception(BrokenProcessPool("the solver's processes cannot be started"))
        return failed

    def _settle(self, key: bytes, answer: Solved, done: Solved) -> None:
        try:
            answer.set_result(done.result())
        except Exception as error:  # noqa: BLE001  whatever broke the solver, the command is answered
            with self._lock:
                self._known.pop(key, None)
            message = f"the solver failed on this definition: {type(error).__name__}: {error}"
            answer.set_result(Refusal("solver_failed", message[:1000]))

    def close(self) -> None:
        """End the pool and whatever it is working on."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()


def results(answers: Sequence[Solved]) -> tuple[Solution | Refusal, ...]:
    """Return the results of answers that are all done."""
    return tuple(answer.result() for answer in answers)


def _become_solver() -> None:
    """Make this process end with the worker, leave Ctrl-C to it, and not take all memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_LIMIT, _MEMORY_LIMIT))
    threading.Thread(target=_end_with_the_worker, daemon=True).start()


def _end_with_the_worker() -> None:
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os._exit(0)


def _plan_within(definition: dict[str, Any], seconds: float) -> Solution | Refusal:
    def too_costly(*_: object) -> NoReturn:
        raise _TooCostlyError

    signal.signal(signal.SIGALRM, too_costly)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return plan(definition)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TooCostlyError:
        return Refusal("too_costly", f"design too costly to solve: it takes more than {seconds:g} s; {_REMEDY}")
    except MemoryError:
        return Refusal(
            "too_costly", f"design too costly to solve: it takes more than {_MEMORY_LIMIT:,} bytes; {_REMEDY}"
        )
