"""A worker as a process of its own, for tests: configured by one JSON argument, with faults built in if asked for."""

import importlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import structlog

from processors.worker import WorkerConfig, run
from schemas.registry import Registry
from schemas.topics import Topics


def killing(point: str, after: int, number: str = "SIGKILL") -> Callable[[str], None]:
    """Return a kill point that sends this process a signal the `after`-th time the named point is reached, and on."""
    reached = 0

    def reach(name: str) -> None:
        nonlocal reached
        reached += name == point
        if name == point and reached == after:
            os.kill(os.getpid(), signal.Signals[number])

    return reach


def main(given: dict[str, Any]) -> None:
    """Work; `kill` names a point, a count and a signal, `prepare` functions that bend this process first."""
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
    for name in given.pop("prepare", ()):
        module, _, function = name.partition(":")
        getattr(importlib.import_module(module), function)()
    topics = Topics(given.pop("prefix"), given.pop("commands", None))
    registry = given.pop("registry", None)
    given["registry"] = None if registry is None else Registry(registry)
    run(WorkerConfig(topics=topics, kill_point=killing(*kill) if kill else None, **given))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
