"""How a worker ends when it can no longer vouch for the count: one clear line, and no clean-up that could hide it."""

import os
import sys
from typing import NoReturn

import structlog

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h; the supervisor starts the worker again

_log = structlog.get_logger("worker")


def fail(what: str, error: BaseException) -> NoReturn:
    """End the process at once; the next owner of its partitions goes on from the last commit."""
    _log.critical("worker_ends", what=what, error=f"{type(error).__name__}: {error}", exit_code=EXIT_CODE)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)
