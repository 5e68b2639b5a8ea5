"""Files and folders that are there whole or not at all: written aside, flushed, renamed, the parent flushed."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def flush(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def place(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that no reader sees half; what stood there is replaced.

    Raises
    ------
    OSError
        If the disk is full or may not be written; then the file is what it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(chunks)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    flush(path.parent)
