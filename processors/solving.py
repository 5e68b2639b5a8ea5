"""Solves definitions in a process of its own, since a design may take seconds and the stream must not wait.

A definition that is too costly, or that breaks the solver, is answered with a refusal; it never harms the worker.
"""

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple, NoReturn

import msgspec

from experiments.planning import Refusal, Solution, plan

LIMIT_SECONDS = 10.0
_MEMORY_LIMIT = 4 * 1024**3
_REMEMBERED = 256
_LOT = 100
_SOON_SECONDS = 0.02  # what is solved waits for its neighbours as long, and for one of them as long again
_REMEDY = "allowed: a smaller max_samples, or thresholds that need no search"

Solved = Future[Solution | Refusal]


class _TooCostlyError(BaseException):
    """Not an Exception, so that no `except Exception` of a numeric library can swallow it."""


class _Asked(NamedTuple):
    key: bytes
    definition: dict[str, Any]
    answer: Solved


class Solver:
    """A bounded process pool, started with the first definition; the newest answers are remembered.

    Definitions go to it in lots: one at a time they would wait for each other's way there and back.
    """

    def __init__(self, processes: int = 1, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._processes = processes
        self._limit = limit_seconds
        self._pool: ProcessPoolExecutor | None = None
        self._known: OrderedDict[bytes, Solved] = OrderedDict()
        self._waiting: deque[_Asked] = deque()
        self._lock = threading.Lock()
        self._is_closed = False
        # Starting the pool takes a second or more, and so may a design: threads of their own wait, not the stream.
        self._askers = ThreadPoolExecutor(processes, thread_name_prefix="solver")

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
            self._waiting.append(_Asked(key, definition, answer))
        self._askers.submit(self._ask)
        return answer

    def _ask(self) -> None:
        """Have a lot of what waits solved; each turn settles at least one of them, and there is one for each."""
        with self._lock:
            lot = [self._waiting.popleft() for _ in range(min(_LOT, len(self._waiting)))]
        if not lot:
            return
        try:
            results = self._solved(lot)
        except Exception:  # noqa: BLE001  whatever broke the solver, only one of them is to blame
            results = [self._solved_alone(it) for it in lot]
        settled = [*zip(lot, results, strict=False)]
        with self._lock:
            self._waiting.extendleft(reversed(lot[len(settled) :]))
            for asked, result in settled:
                if isinstance(result, Refusal):  # another attempt may find more memory, or the solver in order
                    self._known.pop(asked.key, None)
        for asked, result in settled:
            asked.answer.set_result(result)

    def _solved_alone(self, asked: _Asked) -> Solution | Refusal:
        try:
            return self._solved([asked])[0]
        except Exception as error:  # noqa: BLE001  whatever broke the solver, the command is answered
            message = f"the solver failed on this definition: {type(error).__name__}: {error}"
            return Refusal("solver_failed", message[:1000])

    def _solved(self, lot: Sequence[_Asked]) -> list[Solution | Refusal]:
        """Return what became of the first of the lot, or of more of them."""
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the worker ends")
            if self._pool is None:
                # From a fork server: a fork of this process would inherit the locks of its many threads.
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload(["experiments.planning"])
                self._pool = ProcessPoolExecutor(self._processes, mp_context=context, initializer=_become_solver)
            pool = self._pool
        try:
            return pool.submit(_plan_some, [it.definition for it in lot], self._limit).result()
        except (BrokenProcessPool, OSError, EOFError):
            with self._lock:
                if self._pool is pool:
                    self._pool = None
            raise

    def close(self) -> None:
        """End the pool and whatever it is working on."""
        with self._lock:
            self._is_closed = True
            pool = self._pool
        self._askers.shutdown(wait=False, cancel_futures=True)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
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


def _plan_some(definitions: Sequence[dict[str, Any]], seconds: float) -> list[Solution | Refusal]:
    """Return what becomes of the first definition, and of those after it up to one that is not solved soon."""
    soon, found = time.monotonic() + _SOON_SECONDS, [_plan_within(definitions[0], seconds)]
    for definition in definitions[1:]:
        if time.monotonic() > soon:
            break
        answer = _plan_within(definition, _SOON_SECONDS)
        if isinstance(answer, Refusal) and answer.code == "too_costly":
            break  # it will be the first of a lot, with all of the time
        found.append(answer)
    return found


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
