"""The Faust agent that computes: one event is one step of a partition, on a channel in memory.

The channel may drop events (a rebalance clears its queues): whoever asked puts the step again, and since computing is
pure a second delivery is harmless. All computing is on the one event loop: threads that fold contend for the
interpreter.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

import faust

from experiments.memory import Memory
from processors.steps import AtBarrier, Done, Step, compute
from schemas.topics import Topics

_LOST_SECONDS = 5.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A step to be computed on a memory, and where the outcome goes."""

    memory: Memory
    step: Step
    answer: "Future[Done | AtBarrier]" = field(default_factory=Future)


class ComputingAgent:
    """Computes the steps of all partitions, one at a time, in the order in which they come."""

    def __init__(self, app: faust.App, topics: Topics) -> None:
        self._app = app
        self._topics = topics
        self._channel: Any = app.channel()
        app.agent(self._channel, name="steps")(self._compute)

    async def _compute(self, requests: AsyncIterable[Request]) -> None:
        async for request in requests:
            if not request.answer.set_running_or_notify_cancel():
                continue  # whoever asked has given it up
            try:
                outcome = compute(self._topics, request.memory, request.step)
            except Exception as error:  # noqa: BLE001  raised again in the partition's thread, which ends the worker
                request.answer.set_exception(error)
            else:
                request.answer.set_result(outcome)

    def ask(self, memory: Memory, step: Step, is_parked: Callable[[], bool]) -> Done | AtBarrier | None:
        """Return the outcome of the step, called from a partition's thread; None if it has to be asked again."""
        if is_parked():
            return None
        request = Request(memory, step)
        put = asyncio.run_coroutine_threadsafe(self._channel.put(request), self._app.loop)
        lost = time.monotonic() + _LOST_SECONDS
        while not wait((request.answer,), _LOOK_SECONDS).done:
            # A step that is being computed is not lost: asked again, it would take as long again.
            if is_parked() or (time.monotonic() > lost and request.answer.cancel()):
                request.answer.cancel()
                put.cancel()
                return None
        return request.answer.result()
