"""Debian's promtool and prometheus where they are installed; elsewhere the tests that need them say how to get them."""

import shutil
import subprocess
from pathlib import Path

import pytest

installed = pytest.mark.skipif(
    shutil.which("promtool") is None or shutil.which("prometheus") is None,
    reason="no promtool or prometheus on PATH: apt install prometheus",
)


def promtool(*arguments: str | Path, text: str | None = None) -> str:
    """Return what promtool printed; fail the test with it if it found fault."""
    argv = ["promtool", *map(str, arguments)]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed
