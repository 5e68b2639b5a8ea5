"""Solves definitions in a process of its own, since a design may take seconds and the stream must not wait.

A definition that is too costly, or that breaks the solver, is answered with a refusal; it never harms the worker.
"""

import multiprocessing
import os
import resource
import signal
import threading
from collections import OrderedDict
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
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
        self._lock = threading.Lock()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="solver")

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
        # Starting the pool takes a second or more: a thread of its own waits for it, not the stream.
        self._starter.submit(self._submit, key, definition, answer)
        return answer

    def _submit(self, key: bytes, definition: dict[str, Any], answer: Solved) -> None:
        self._submitted(definition).add_done_callback(lambda done: self._settle(key, answer, done))

    def _submitted(self, definition: dict[str, Any]) -> Solved:
        for _ in range(2):
            if self._pool is None:
                # From a fork server: a fork of this process would inherit the locks of its many threads.
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload(["experiments.planning"])
                self._pool = ProcessPoolExecutor(self._processes, mp_context=context, initializer=_become_solver)
            try:
                return self._pool.submit(_plan_within, definition, self._limit)
            except (BrokenProcessPool, OSError, EOFError) as error:
                self._pool, broken = None, error
        failed: Solved = Future()
        failed.set_exception(broken)
        return failed

    def _settle(self, key: bytes, answer: Solved, done: Solved) -> None:
        try:
            result = done.result()
        except Exception as error:  # noqa: BLE001  whatever broke the solver, the command is answered
            message = f"the solver failed on this definition: {type(error).__name__}: {error}"
            result = Refusal("solver_failed", message[:1000])
        if isinstance(result, Refusal):  # another attempt may find more memory, or the solver in order
            with self._lock:
                self._known.pop(key, None)
        answer.set_result(result)

    def close(self) -> None:
        """End the pool and whatever it is working on."""
        self._starter.shutdown(cancel_futures=True)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()


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

    # The processor's time, not the clock's: a busy machine refuses no more than an idle one.
    signal.signal(signal.SIGPROF, too_costly)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            return plan(definition)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except _TooCostlyError:
        return Refusal(
            "too_costly", f"design too costly to solve: it takes more than {seconds:g} s of a processor; {_REMEDY}"
        )
    except MemoryError:
        gib = _MEMORY_LIMIT // 1024**3
        return Refusal("too_costly", f"design too costly to solve: more than {gib} GiB of memory; {_REMEDY}")
