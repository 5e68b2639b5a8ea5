"""Which partitions this worker owns: follows Faust's assignment with one thread per partition.

A rebalance parks the threads between two steps; those of lost partitions end, the others go on. Exactness never rests
on this, only on the fence: parking keeps a worker that loses a partition from being ended by its successor's fence.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable

import structlog

from processors.partition import PartitionThread

_PARK_SECONDS = 4.0

_log = structlog.get_logger("worker")


class Ownership:
    """The threads of the owned partitions."""

    def __init__(self, make: Callable[[int, threading.Thread | None], PartitionThread]) -> None:
        self._make = make
        self._threads: dict[int, PartitionThread] = {}
        self._ending: dict[int, PartitionThread] = {}

    async def park(self) -> None:
        """Return once every thread rests between two steps, or after some seconds."""
        threads = list(self._threads.values())
        for thread in threads:
            thread.park()
        await asyncio.to_thread(self._wait_until_parked, threads)

    async def assign(self, partitions: Iterable[int]) -> None:
        """Let the threads of these partitions go on, starting those that are new and ending all others."""
        wanted = set(partitions)
        for partition in self._threads.keys() - wanted:
            thread = self._threads.pop(partition)
            thread.end()
            self._ending[partition] = thread
        for partition in sorted(wanted - self._threads.keys()):
            thread = self._make(partition, self._ending.pop(partition, None))
            self._threads[partition] = thread
            thread.start()
        for thread in self._threads.values():
            thread.unpark()
        _log.info("partitions_assigned", partitions=sorted(wanted))

    async def end(self, seconds: float) -> bool:
        """Return whether all threads ended within so many seconds."""
        threads = [*self._threads.values(), *self._ending.values()]
        for thread in threads:
            thread.end()
        deadline = time.monotonic() + seconds
        for thread in threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    @staticmethod
    def _wait_until_parked(threads: list[PartitionThread]) -> None:
        deadline = time.monotonic() + _PARK_SECONDS
        busy = [it.partition for it in threads if not it.wait_until_parked(deadline - time.monotonic())]
        if busy:
            _log.warning("partitions_still_busy", partitions=busy, seconds=_PARK_SECONDS)
