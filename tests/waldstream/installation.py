"""A whole installation on the session's broker: topics of its own, and the roles as the command line starts them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from processors.topics import create_topics
from schemas.topics import Topics
from stack.process import Child

PARTITIONS = 4
T = TypeVar("T")


@dataclass(frozen=True)
class System:
    """Where the installation is; `environment` makes any command use it, `folder` holds what the roles wrote."""

    bootstrap_servers: str
    topics: Topics
    environment: dict[str, str]
    folder: Path

    @property
    def kafka(self) -> dict[str, str]:
        return {"bootstrap.servers": self.bootstrap_servers}

    def waldstream(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Return the outcome of one command of `waldstream`."""
        return run_waldstream(arguments, self.environment, text)


def run_waldstream(
    arguments: Sequence[str], environment: dict[str, str], text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Return the outcome of one command of `waldstream` under an environment."""
    command = (sys.executable, "-m", "waldstream", *arguments)
    return subprocess.run(  # noqa: PLW1510  the tests look at the code
        command, env=environment, input=text, capture_output=True, encoding="utf-8", timeout=120
    )


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return an environment with these settings and no others, whatever this process has."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WALDSTREAM_")}
    own = {"data": str(folder / "data"), "archives": str(folder / "archives"), "actor": "tester"} | settings
    return kept | {f"WALDSTREAM_{name.upper()}": value for name, value in own.items()} | {"COLUMNS": "200"}


@contextlib.contextmanager
def installed(kafka: str, redis_url: str, folder: Path, roles: Sequence[str]) -> Iterator[System]:
    """Inside the block these roles run, on topics of their own."""
    topics = Topics(f"t{uuid4().hex[:8]}")
    create_topics({"bootstrap.servers": kafka}, topics, PARTITIONS)
    (folder / "files").mkdir()
    own = environment(
        folder,
        kafka_bootstrap_servers=kafka,
        topic_prefix=topics.prefix,
        app_id=topics.prefix,
        partitions=str(PARTITIONS),
        files=str(folder / "files"),
        redis_url=redis_url,
    )
    children: dict[str, Child] = {}
    with contextlib.ExitStack() as opened:
        for role in roles:
            argv = (sys.executable, "-m", "waldstream", role)
            log = folder / "logs" / f"{role}.log"
            children[role] = opened.enter_context(Child(f"{topics.prefix} {role}", argv, log=log, env=own))
        if "worker" in roles:  # a command's own patience begins when there is somebody to answer it
            log = folder / "logs" / "worker.log"
            until(lambda: log.exists() and log.read_text().count("partition_taken_over") == PARTITIONS, 150)
        yield System(kafka, topics, own, folder)
    # Each was asked to end by SIGTERM and did so well.
    assert {role: child.returncode for role, child in children.items()} == dict.fromkeys(roles, 0)


def until(ask: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Return the first answer that is something, asked for again and again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing came within {seconds:g} s")
