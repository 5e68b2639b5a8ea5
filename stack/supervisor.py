"""Keeps programs running as children: one log file each, started again on exit if asked, stopped in reverse order.

Like every `Child` they end with this process, however it ends.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stack.errors import StackError
from stack.process import Child

FIRST_PAUSE = 0.5
"""Seconds before a program that ended is started again; doubled each time up to `LONGEST_PAUSE`."""
LONGEST_PAUSE = 10.0
_STEADY = 30.0  # seconds a program must have run for its next pause to be the first one again


@dataclass(frozen=True)
class Program:
    """What to run.

    Parameters
    ----------
    name
        Unique among the supervised; its log is `<name>.log`.
    argv
        Program and arguments; no shell is involved.
    env
        The whole environment; this process's own if None.
    cwd
        Working directory; this process's own if None.
    restart
        Whether to start it again when it ends by itself.
    """

    name: str
    argv: Sequence[str | Path]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    restart: bool = False


@dataclass(frozen=True)
class Exit:
    """A program ended without having been asked to."""

    name: str
    code: int
    log: Path
    restart_in: float | None  # seconds, None if it stays ended


class _Kept:
    """One program, its present child and the thread that waits for its end."""

    def __init__(self, program: Program, child: Child, thread: threading.Thread) -> None:
        self.program = program
        self.child = child
        self.thread = thread
        self.ended = threading.Event()


class Supervisor:
    """Runs programs until it is stopped.

    Parameters
    ----------
    log_dir
        Folder of the log files; they are appended to.
    on_exit
        Called, from a thread of the supervisor, for each end that was not asked for.
    """

    def __init__(self, log_dir: Path, *, on_exit: Callable[[Exit], None] | None = None) -> None:
        self._log_dir = log_dir
        self._on_exit = on_exit
        self._kept: dict[str, _Kept] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # no child is started once stopping is set

    def start(self, program: Program) -> None:
        """Start a program; it runs on return."""
        if program.name in self._kept:
            raise StackError(f"a program named {program.name} was already started")
        child = self._child(program)
        thread = threading.Thread(target=self._keep, args=(program.name,), name=f"keep-{program.name}", daemon=True)
        self._kept[program.name] = _Kept(program, child, thread)
        thread.start()

    def pid(self, name: str) -> int:
        """Return the process id of the program's present or last child."""
        return self._kept[name].child.pid

    def running(self, name: str) -> bool:
        """Return whether the program runs at this moment; False between an end and a restart."""
        return self._kept[name].child.running

    def wait(self, name: str, seconds: float | None = None) -> int | None:
        """Return the exit code of a program that has ended for good, None if it has not within the given time."""
        kept = self._kept[name]
        return kept.child.returncode if kept.ended.wait(seconds) else None

    def stop(self, deadline: float = 20.0) -> None:
        """End all programs, the last started first, each by force after the deadline in seconds."""
        with self._lock:
            self._stopping.set()
        try:
            for kept in reversed(self._kept.values()):
                kept.child.stop(deadline)
        except BaseException:  # a second Ctrl-C
            self.kill()
            raise
        for kept in self._kept.values():
            kept.thread.join()

    def kill(self) -> None:
        """End all programs at once."""
        with self._lock:
            self._stopping.set()
        for kept in reversed(self._kept.values()):
            kept.child.kill()

    def _child(self, program: Program) -> Child:
        log = self._log_dir / f"{program.name}.log"
        return Child(program.name, program.argv, log=log, env=program.env, cwd=program.cwd)

    def _keep(self, name: str) -> None:
        kept = self._kept[name]
        pause: float | None = FIRST_PAUSE
        try:
            while pause is not None:
                pause = self._after_end(kept, pause)
        finally:
            kept.ended.set()

    def _after_end(self, kept: _Kept, pause: float) -> float | None:
        """Wait for the child's end, start another after the pause; return its own pause, None if none was started."""
        started = time.monotonic()
        code = kept.child.wait() or 0
        if self._stopping.is_set():
            return None
        if time.monotonic() - started > _STEADY:
            pause = FIRST_PAUSE
        if self._on_exit is not None:
            self._on_exit(Exit(kept.program.name, code, kept.child.log, pause if kept.program.restart else None))
        if not kept.program.restart or self._stopping.wait(pause):
            return None
        with self._lock:
            if self._stopping.is_set():
                return None
            kept.child = self._child(kept.program)
        return min(2 * pause, LONGEST_PAUSE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
