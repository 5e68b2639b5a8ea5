"""Child processes that never outlive this one: they end with it on Ctrl-C, on SIGTERM and on kill -9.

The kernel's parent-death signal fires when the *thread* that forked ends, so one thread that lives as long as the
process does all the forking. Each child has a session of its own: Ctrl-C reaches this process alone, which stops them.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import FrameType
from typing import IO, Self

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_Process = subprocess.Popen[bytes]
_Request = tuple[Callable[[], _Process], Future[_Process]]


class _Forker:
    """One daemon thread that forks for all others, from the first call to the end of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[_Request] | None = None

    def __call__(self, start: Callable[[], _Process]) -> _Process:
        with self._lock:
            if self._requests is None:
                self._requests = queue.SimpleQueue()
                threading.Thread(target=_serve, args=(self._requests,), name="forker", daemon=True).start()
        future: Future[_Process] = Future()
        self._requests.put((start, future))
        try:
            return future.result()
        except BaseException:
            # Ctrl-C while waiting: the child may be born a moment later and nobody would hold it.
            future.add_done_callback(_kill_unclaimed)
            raise


def _serve(requests: "queue.SimpleQueue[_Request]") -> None:
    while True:
        start, future = requests.get()
        try:
            future.set_result(start())
        except BaseException as error:  # noqa: BLE001  it belongs to the caller, who waits for it
            future.set_exception(error)


def _kill_unclaimed(future: Future[_Process]) -> None:
    if future.exception() is None:
        process = future.result()
        process.kill()
        process.wait()


_fork = _Forker()


def _forget_the_thread() -> None:
    global _fork  # noqa: PLW0603  a forked copy of this process has the object but not its thread
    _fork = _Forker()


os.register_at_fork(after_in_child=_forget_the_thread)


class Child:
    """A program running as a child that ends when this process ends.

    Parameters
    ----------
    name
        What messages call it.
    argv
        Program and arguments; no shell is involved.
    log
        Both output streams are appended to this file.
    env
        The whole environment; this process's own if None.
    cwd
        Working directory; this process's own if None.
    death_signal
        Sent by the kernel when this process ends without having stopped the child.
    keeps
        A file that the child holds open as long as it lives, and with it a lock on that file.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        keeps: IO[bytes] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        launch = (sys.executable, "-I", "-S", _LAUNCH, str(int(death_signal)), str(os.getpid()))
        command = (*launch, *map(str, argv))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = _fork(
                lambda: subprocess.Popen(  # noqa: S603  starting what the caller names is this module's purpose
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    start_new_session=True,
                    pass_fds=() if keeps is None else (keeps.fileno(),),
                ),
            )

    @property
    def pid(self) -> int:
        """Process id; the program's own, since the launcher became it."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for the signal that ended it, None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """True until the child has ended."""
        return self._process.poll() is None

    def wait(self, seconds: float | None = None) -> int | None:
        """Return the exit code once the child has ended, None if it has not within the given time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask the child to end, without waiting."""
        self._process.terminate()

    def stop(self, deadline: float = 20.0) -> int:
        """Ask the child to end, kill it after the deadline in seconds; it has ended on return."""
        self.terminate()
        if (code := self.wait(deadline)) is None:
            self.kill()
            code = self._process.wait()
        return code

    def kill(self) -> None:
        """End the child and everything of its session at once; it has ended on return."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Inside the block SIGTERM and SIGHUP raise SystemExit, so that every `with` block stops what it started.

    Only the main thread may enter it.
    """

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
