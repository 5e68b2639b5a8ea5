"""Commands of tests that end with the test run, however it ends: the kernel ends them when their parent is gone."""

import os
import signal
import sys
from pathlib import Path

from stack import launch


def tied(*command: str) -> list[str]:
    """Return the command so that it is killed when this process ends."""
    return [sys.executable, str(Path(launch.__file__)), str(int(signal.SIGKILL)), str(os.getpid()), *command]
