"""The Faust agents that compute: one event is one step of a partition, on a channel in memory.

Observations have a channel of their own, so that commands do not queue up behind those of other partitions. A
channel may drop events (a rebalance clears its queues): whoever asked puts the step again, and since computing is
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
from processors.steps import AtBarrier, Done, Observations, Step, compute
from schemas.topics import Topics

_LOST_SECONDS = 5.0
_LOOK_SECONDS = 0.1
_OTHERS_SECONDS = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A step to be computed on a memory, and where the outcome goes."""

    memory: Memory
    step: Step
    answer: "Future[Done | AtBarrier]" = field(default_factory=Future)


class ComputingAgent:
    """Computes the steps of all partitions, one at a time: commands and the like first, observations as they come."""

    def __init__(self, app: faust.App, topics: Topics) -> None:
        self._app = app
        self._topics = topics
        self._observations, self._others = app.channel(), app.channel()
        self._urgent: set[Request] = set()
        app.agent(self._observations, name="observations")(self._compute)
        app.agent(self._others, name="others")(self._compute)

    async def _compute(self, requests: AsyncIterable[Request]) -> None:
        async for request in requests:
            while self._urgent and isinstance(request.step, Observations):  # noqa: ASYNC110  threads fill it
                await asyncio.sleep(_OTHERS_SECONDS)
            self._urgent.discard(request)
            if not request.answer.set_running_or_notify_cancel():
                continue  # whoever asked has given it up
            try:
                outcome = compute(self._topics, request.memory, request.step)
            except Exception as error:  # noqa: BLE001  raised again in the partition's thread, which ends the worker
                request.answer.set_exception(error)
            else:
                request.answer.set_result(outcome)

    def ask(
        self, memory: Memory, step: Step, is_parked: Callable[[], bool], is_outranked: Callable[[], bool]
    ) -> Done | AtBarrier | None:
        """Return the outcome of the step, called from a partition's thread; None if it has to be asked again.

        Observations may be outranked while they wait to be computed; nothing else is.
        """
        if is_parked():
            return None
        request = Request(memory, step)
        if isinstance(step, Observations):
            if is_outranked():  # by what came while they were read
                return None
            return self._answered(request, self._observations, is_parked, is_outranked)
        self._urgent.add(request)
        try:
            return self._answered(request, self._others, is_parked, lambda: False)
        finally:
            self._urgent.discard(request)

    def _answered(
        self, request: Request, channel: Any, is_parked: Callable[[], bool], is_outranked: Callable[[], bool]
    ) -> Done | AtBarrier | None:
        put = asyncio.run_coroutine_threadsafe(channel.put(request), self._app.loop)
        lost = time.monotonic() + _LOST_SECONDS
        while not wait((request.answer,), _LOOK_SECONDS).done:
            # A step that is being computed is not lost: asked again, it would take as long again.
            if is_parked() or ((time.monotonic() > lost or is_outranked()) and request.answer.cancel()):
                request.answer.cancel()
                put.cancel()
                return None
        return request.answer.result()
