"""Designs worked out beside the console: each in a process that ends when nobody waits for its answer any more.

The processes are forked from a small server that has the statistics loaded, so one starts in milliseconds; solving in
the console's own process would stop every page for seconds.
"""

import asyncio
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

from experiments.planning import Refusal, Solution, plan

#: Beyond the limit that the workers set for definitions, so that a busy machine does not make the form refuse first.
_MOST_SECONDS: Final = 30.0
_AT_ONCE: Final = 2

Answer = TypeVar("Answer")

_TOO_COSTLY: Final = Refusal(
    "too_costly",
    f"working this design out takes more than {_MOST_SECONDS:g} s; allowed: a lower limit of observations, hypotheses "
    "further apart, or thresholds by Wald's approximation",
)


class Solver:
    """Works designs out, at most two at once."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["experiments.planning", "console.curves", "console.outlook", "sprt"])
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def solve(self, definition: dict[str, Any]) -> Solution | Refusal:
        """Return the definition's solution or why there is none; a cancelled call ends its process."""
        return await self.work(plan, definition)

    async def work(self, question: Callable[..., Answer | Refusal], *given: Any) -> Answer | Refusal:
        """Return a function's answer, worked out in a process; a cancelled call ends it."""
        async with self._slots:
            ours, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(target=_work, args=(theirs, question, given), daemon=True)
            await asyncio.to_thread(process.start)
            theirs.close()
            loop, ready = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(ours.fileno(), ready.set)
            try:
                await asyncio.wait_for(ready.wait(), _MOST_SECONDS)
                answer: Answer | Refusal = ours.recv()
            except TimeoutError:
                return _TOO_COSTLY
            except EOFError:
                return Refusal("failed", "the design could not be worked out: its process ended without an answer")
            else:
                return answer
            finally:
                loop.remove_reader(ours.fileno())
                process.kill()
                ours.close()
                await asyncio.to_thread(process.join)


def _work(answer: Connection, question: Callable[..., Any], given: tuple[Any, ...]) -> None:
    answer.send(question(*given))
