"""A worker's life: check the topics, join the group, own partitions, and end within seconds when told to.

On SIGTERM the threads finish their step and the worker leaves the group, so that others take over at once. Whatever
fails ends the process with one line; a supervisor starts it again.
"""

import asyncio
import ctypes
import gc
import logging
import signal
import threading
from contextlib import suppress
from typing import Any

import faust
import structlog

from processors.agent import ComputingAgent
from processors.app import create_app
from processors.config import WorkerConfig
from processors.failing import fail
from processors.frames import Schemas
from processors.instruments import Instruments
from processors.ownership import Ownership
from processors.pacing import Urgency
from processors.partition import PartitionThread, Shared
from processors.progress import Progress
from processors.solving import Solver
from processors.topics import check_topics
from processors.watermarks import Watermarks
from schemas.instruments import new_registry, serving

__all__ = ["WorkerConfig", "run"]

#: Records come and go by the hundred thousand and have no cycles: the garbage collector's rounds at lower thresholds
#: took a third of a busy worker's time. An idle one makes some twenty objects a second that it has to look for.
_COLLECTOR_THRESHOLDS = (1_000_000, 10, 10)
#: glibc keeps memory for each thread apart, and each part keeps its largest batch: with two parts, 80 MB less.
_ARENAS = (-8, 2)  # M_ARENA_MAX
#: It gives every column of a large batch back to the system at once, and the next one begins with a page fault for each
#: 4 kB: a third of the time of a batch. So columns come from what is kept, and some tens of megabytes may be.
_COLUMNS = (-3, 32 * 1024 * 1024)  # M_MMAP_THRESHOLD
_KEPT = (-1, 64 * 1024 * 1024)  # M_TRIM_THRESHOLD
_END_SECONDS = 2.5
_LEAVE_SECONDS = 1.5
_CRASH_SECONDS = 1.0  # between two looks whether Faust has crashed

_log = structlog.get_logger("worker")


def run(config: WorkerConfig) -> None:
    """Work until SIGTERM or SIGINT; returns when the last step is committed and the group is left.

    Raises
    ------
    processors.topics.TopicError
        If a topic is missing, or has another number of partitions.
    schemas.instruments.MetricsPortError
        If the port of the metrics is taken.
    processors.topics.KafkaUnreachableError
        If no broker answers at the start. Later on, failures end the process with exit code 70.
    """
    gc.set_threshold(*_COLLECTOR_THRESHOLDS)
    gc.freeze()  # what was imported stays: no round of the collector walks it, those of the take-over included
    with suppress(AttributeError):  # another C library
        for option in (_ARENAS, _COLUMNS, _KEPT):
            ctypes.CDLL(None).mallopt(*option)
    check_topics(config.kafka, config.topics, config.partitions)
    for name in ("faust", "mode", "aiokafka"):  # their news of every rebalance and attempt; ours are told once
        logging.getLogger(name).setLevel(logging.CRITICAL)
    registry = new_registry()
    instruments = Instruments(registry, config.partitions)
    solver = Solver(config.solver_processes, config.solver_seconds)
    with serving(registry, config.metrics_host, config.metrics_port):
        try:
            asyncio.run(_serve(config, instruments, solver))
        finally:
            solver.close()


async def _serve(config: WorkerConfig, instruments: Instruments, solver: Solver) -> None:
    app = create_app(config)
    agent = ComputingAgent(app, config.topics)
    progress = Progress(config.kafka, config.progress_group, config.topics.control)
    schemas = None if config.registry is None else Schemas(config.registry)
    shared = Shared(config, agent.ask, solver, Watermarks(config.kafka), progress, instruments, Urgency(), schemas)

    def make(partition: int, predecessor: threading.Thread | None) -> PartitionThread:
        return PartitionThread(partition, shared, predecessor)

    ownership = Ownership(make)
    _follow(app, ownership, config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await app.start()
        await _until(stop, app)
    except Exception as error:  # noqa: BLE001  one line for whatever keeps Faust from joining
        fail("Faust cannot join the group", error)
    if app.crashed:
        fail("Faust's service crashed", app.crash_reason or RuntimeError("no reason given"))
    has_ended = await ownership.end(_END_SECONDS)
    try:
        await asyncio.wait_for(app.stop(), _LEAVE_SECONDS)
    except TimeoutError:
        _log.warning("group_not_left", seconds=_LEAVE_SECONDS)
    if not has_ended:
        fail("the last step was not committed in time", TimeoutError(f"{_END_SECONDS} s"))
    _log.info("worker_ended")


def _follow(app: faust.App, ownership: Ownership, config: WorkerConfig) -> None:
    """Connect the ownership of partitions to Faust's rebalances."""

    async def revoked(*_: Any, **__: Any) -> None:
        await ownership.park()

    async def complete(*_: Any, **__: Any) -> None:
        assignment = app.consumer.assignment()
        await ownership.assign(tp.partition for tp in assignment if tp.topic == config.topics.observations)

    app.on_partitions_revoked.connect(revoked)
    app.on_rebalance_complete.connect(complete)


async def _until(stop: asyncio.Event, app: faust.App) -> None:
    """Return when told to stop or when Faust has crashed."""
    while not stop.is_set() and not app.should_stop:
        try:
            await asyncio.wait_for(stop.wait(), _CRASH_SECONDS)
        except TimeoutError:
            continue
