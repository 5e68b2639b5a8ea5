"""What tests of processes wait for: an observable with a deadline, the end of a process."""

import time
from collections.abc import Callable

import psutil


def eventually(observed: Callable[[], object], seconds: float = 20.0) -> bool:
    give_up = time.monotonic() + seconds
    while not observed():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    """Return whether the process has ended; one that nobody collected yet has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
