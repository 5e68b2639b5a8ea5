"""In which order steps are computed, and when one that waits is given back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest

from experiments.memory import Memory
from processors.agent import ComputingAgent, Request
from processors.inputs import Fetched
from processors.steps import AtBarrier, Clock, Done, Observations, Step
from schemas.topics import Topics

OBSERVATIONS = Observations(Fetched("observations", 0, 0, []))


class App:
    """What an agent needs of a Faust app: channels in memory, read by whoever asks for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.channels = loop, list[asyncio.Queue[Request]]()

    def channel(self) -> asyncio.Queue[Request]:
        self.channels.append(asyncio.Queue())
        return self.channels[-1]

    def agent(self, *_: Any, **__: Any) -> Callable[[Any], Any]:
        return lambda compute: compute


async def _taken(channel: asyncio.Queue[Request]) -> AsyncIterator[Request]:
    while True:
        yield await channel.get()


def test_commands_of_one_partition_are_computed_before_the_observations_of_others() -> None:
    computed: list[Step] = []

    async def story() -> None:
        app = App(asyncio.get_running_loop())
        agent = ComputingAgent(cast("Any", app), Topics())
        steps: list[Step] = [OBSERVATIONS, OBSERVATIONS, Clock(5)]

        def ask(step: Step) -> Done | AtBarrier | None:
            outcome = agent.ask(Memory(0, 1), step, lambda: False, lambda: False)
            computed.append(step)
            return outcome

        asked = [asyncio.create_task(asyncio.to_thread(ask, step)) for step in steps]
        while sum(channel.qsize() for channel in app.channels) < len(steps):  # noqa: ASYNC110  other threads fill them
            await asyncio.sleep(0)
        computing = [asyncio.create_task(agent._compute(_taken(channel))) for channel in app.channels]
        await asyncio.gather(*asked)
        for task in computing:
            task.cancel()

    asyncio.run(story())
    assert computed[0] == Clock(5)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that turns in a thread of its own, as Faust's does."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


@pytest.mark.parametrize("is_running", [False, True])
def test_only_what_is_not_being_computed_is_given_back_when_commands_have_come(
    loop: asyncio.AbstractEventLoop, is_running: bool
) -> None:
    app, answer, looks = App(loop), cast("Any", object()), 0
    agent = ComputingAgent(cast("Any", app), Topics())

    def has_commands() -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:  # the first look is before they are put
            request = asyncio.run_coroutine_threadsafe(app.channels[0].get(), loop).result()
            if is_running:
                assert request.answer.set_running_or_notify_cancel()
                loop.call_soon_threadsafe(loop.call_later, 0.3, request.answer.set_result, answer)
        return looks > 1

    outcome = agent.ask(Memory(0, 1), OBSERVATIONS, lambda: False, has_commands)

    assert outcome is (answer if is_running else None)
    assert looks > 1 + is_running


def test_observations_that_commands_came_before_are_not_put_at_all(loop: asyncio.AbstractEventLoop) -> None:
    app = App(loop)
    agent = ComputingAgent(cast("Any", app), Topics())

    assert agent.ask(Memory(0, 1), OBSERVATIONS, lambda: False, lambda: True) is None
    assert app.channels[0].empty()


def test_nothing_but_observations_is_given_back_when_commands_have_come(loop: asyncio.AbstractEventLoop) -> None:
    app, answer = App(loop), cast("Any", object())
    agent = ComputingAgent(cast("Any", app), Topics())

    async def answer_late() -> None:
        request = await app.channels[1].get()
        loop.call_later(0.3, request.answer.set_result, answer)  # longer than between two looks

    asyncio.run_coroutine_threadsafe(answer_late(), loop)

    assert agent.ask(Memory(0, 1), Clock(5), lambda: False, lambda: True) is answer
