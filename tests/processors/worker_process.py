"""A worker as a process of its own, for tests: configured by one JSON argument, ended at a named point if asked to."""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import structlog

from processors.worker import WorkerConfig, run
from schemas.topics import Topics


def killing(point: str, after: int) -> Callable[[str], None]:
    """Return a kill point that ends this process, as kill -9 does, the `after`-th time the named point is reached."""
    reached = 0

    def reach(name: str) -> None:
        nonlocal reached
        reached += name == point
        if reached >= after:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def main(given: dict[str, Any]) -> None:
    warnings.simplefilter("error")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    kill = given.pop("kill", None)
    topics = Topics(given.pop("prefix"))
    run(WorkerConfig(topics=topics, kill_point=killing(*kill) if kill else None, **given))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
