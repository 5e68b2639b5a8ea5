"""What every server of the local stack has in common: launch, checked readiness, stop, kill, restart in place."""

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from stack.errors import DataFolderError, StackError, StartFailedError
from stack.ports import listens
from stack.process import Child

_POLL = 0.05  # seconds between two looks at a starting server
_TAIL = 2_000  # characters of a log shown in an error


class Server(ABC):
    """One server with its own data folder, on loopback; it never outlives this process.

    `start` may follow `stop` or `kill`: the port and the data stay the same.
    """

    def __init__(self, name: str, data_dir: Path, port: int, *, deadline: float) -> None:
        self.name = name
        self.data_dir = data_dir.resolve()
        self.port = port
        self._deadline = deadline
        self._child: Child | None = None
        self._log_start = 0

    @abstractmethod
    def _launch(self) -> Child:
        """Check ports, write configuration, start the program."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return whether the server does its work; asked only of one that owns its port."""

    @abstractmethod
    def _explain(self, log: str) -> StackError | None:
        """Return the error that this start's part of the log speaks of, if it is a known one."""

    @property
    @abstractmethod
    def log(self) -> Path:
        """File in which the reason of a failed start is found."""

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._child is None:
            raise StackError(f"{self.name} was not started")
        return self._child.pid

    @property
    def running(self) -> bool:
        """True while the server's process lives."""
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Return once the server is ready.

        Raises
        ------
        StackError
            One of its subclasses; the server is then not running.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the process without waiting for it to be ready; `wait_ready` must follow."""
        if self.running:
            raise StackError(f"{self.name} is already running as process {self.pid}")
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
            self._child = self._launch()
        except OSError as error:
            raise DataFolderError(f"{self.name}: the data folder {self.data_dir} cannot be used: {error}") from error

    def wait_ready(self) -> None:
        """Return once the process that was launched owns its port and does its work; else end it and raise."""
        give_up = time.monotonic() + self._deadline
        try:
            while not (listens(self.pid, self.port) and self._answers()):
                self._require_hope(give_up)
                time.sleep(_POLL)
        except BaseException:
            self.kill()
            raise

    def _require_hope(self, give_up: float) -> None:
        if not self.running:
            raise self._failure("ended before it was ready")
        if time.monotonic() > give_up:
            raise self._failure(f"was not ready within {self._deadline:g} s")

    def _failure(self, what: str) -> StackError:
        log = self._log_since_launch()
        known = self._explain(log)
        return known or StartFailedError(f"{self.name} {what}; the end of {self.log}:\n{log[-_TAIL:].strip()}")

    def _log_since_launch(self) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def terminate(self) -> None:
        """Ask the server to end, without waiting; `stop` waits."""
        if self._child is not None:
            self._child.terminate()

    def stop(self, deadline: float = 20.0) -> None:
        """End the server in its own time, by force after the deadline in seconds."""
        if self._child is not None:
            self._child.stop(deadline)
            self._child = None

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
