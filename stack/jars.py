"""The broker's jars: fetched once by exact coordinates, kept in a cache, checked by committed checksums at each start.

The cache is whole when every file has its checksum; there is no marker that could lie after a crash. Files are fetched
aside and renamed, under a lock, so that two processes and a kill at any point are harmless.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from stack.errors import ChecksumError, DataFolderError, NoSpaceError, RegistryError

KAFKA_VERSION = "4.3.1"
_LIST = Path(__file__).with_name("kafka-jars.txt")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_ATTEMPTS = 3


class _CancelledError(Exception):
    """Ends a download whose result nobody waits for any more."""


@dataclass(frozen=True)
class Jar:
    """One jar of the class path as it was committed to."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        """Name of the file in the cache."""
        return f"{self.artifact}-{self.version}.jar"

    def whole(self, folder: Path) -> bool:
        """Return whether the folder holds exactly this jar."""
        try:
            with (folder / self.filename).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


def kafka_jars() -> tuple[Jar, ...]:
    """Return the jars of a Kafka broker, in the committed order."""
    jars = []
    for line in _LIST.read_text().splitlines():
        if not line.startswith("#"):
            coordinate, sha256, size = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, sha256, int(size)))
    return tuple(jars)


def default_cache_dir() -> Path:
    """Return the folder under the user's cache (XDG base directory) that holds the jars of this version."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "waldstream" / f"kafka-{KAFKA_VERSION}"


def ensure_jars(
    cache_dir: Path | None = None,
    *,
    console: Console | None = None,
    registry: str | None = None,
) -> tuple[Path, ...]:
    """Return the paths of all jars, each with its committed checksum; fetches only those that are missing or damaged.

    Parameters
    ----------
    cache_dir
        Where the jars live; `default_cache_dir()` if None.
    console
        Where a progress bar is drawn while fetching; silent if None.
    registry
        Address of a Maven repository; Maven Central if None.

    Raises
    ------
    RegistryError
        If the registry cannot be reached or does not offer a jar.
    ChecksumError
        If what the registry offers is not what was committed to.
    NoSpaceError
        If there is no space for the jars.
    DataFolderError
        If the folder cannot be written.
    """
    folder = default_cache_dir() if cache_dir is None else cache_dir
    jars = kafka_jars()
    if not all(jar.whole(folder) for jar in jars):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder / ".lock"):
                # Another process may have fetched them while this one waited.
                missing = [jar for jar in jars if not jar.whole(folder)]
                _fetch(missing, folder, console, registry)
        except OSError as error:
            if error.errno in _FULL:
                raise NoSpaceError(f"no space for the jars of Kafka in {folder}: {error.strerror}") from error
            raise DataFolderError(f"the cache folder {folder} cannot be used: {error}") from error
    return tuple(folder / jar.filename for jar in jars)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released by the system when the process ends, however it ends
        yield


def _fetch(jars: list[Jar], folder: Path, console: Console | None, registry: str | None) -> None:
    needed = sum(jar.size for jar in jars)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceError(f"the jars of Kafka need {needed:,} bytes in {folder}, {free:,} are free")
    incoming = folder / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)  # left by a killed process; nobody else is here, the lock is ours
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    bar = Progress(*columns, TimeRemainingColumn(), console=console, disable=console is None)
    cancelled = threading.Event()
    pool = ThreadPoolExecutor(4, thread_name_prefix="jars")
    try:
        with bar:
            task = bar.add_task(f"Kafka {KAFKA_VERSION}, {len(jars)} jars", total=needed)

            def advance(count: int) -> None:
                if cancelled.is_set():
                    raise _CancelledError
                bar.advance(task, count)

            context = _context(incoming, registry, advance)
            for done in [pool.submit(_fetch_one, jar, context, folder) for jar in jars]:
                done.result()
    finally:
        cancelled.set()
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(incoming, ignore_errors=True)


def _context(incoming: Path, registry: str | None, advance: Callable[[int], None]) -> MavenContext:
    @contextlib.contextmanager
    def track(_filename: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield advance

    repositories = None if registry is None else {"registry": registry.rstrip("/")}
    return MavenContext(
        resolver=PythonResolver(progress_callback=track), repo_cache=incoming, remote_repos=repositories, timeout=20
    )


def _fetch_one(jar: Jar, context: MavenContext, folder: Path) -> None:
    """Fetch one file by its exact coordinate; no dependency is ever resolved, since the list is complete."""
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    name = f"{jar.group}:{jar.artifact}:{jar.version}"
    failure: Exception = RegistryError(name)
    for _ in range(_ATTEMPTS):
        try:
            fetched = Path(artifact.resolve())
        except RuntimeError as error:  # what jgo raises for every answer but 200
            failure = RegistryError(f"the registry does not offer {name}: {error}")
        except OSError as error:
            if error.errno is not None:  # of this machine; errors of the HTTP client carry no number
                raise
            failure = RegistryError(f"{name} could not be fetched, is the network up? {error}")
        else:
            if hashlib.sha256(fetched.read_bytes()).hexdigest() == jar.sha256:
                fetched.replace(folder / jar.filename)
                return
            failure = ChecksumError(
                f"{name} as offered by the registry does not have the SHA-256 {jar.sha256}; not used"
            )
        (context.repo_cache / artifact.component.path_prefix / artifact.filename).unlink(
            missing_ok=True
        )  # a part of it would be taken for the whole at the next attempt
    raise failure
