"""Holds back a step with strangers until control was read to where it ended when their observations arrived.

An observation of an experiment that is not running, as far as memory knows, may have overtaken its command. Control of
the own partition is waited for in any case; that of the others, where a command may be on its way from there, for some
time only: an owner that is dead or stuck must not stop its neighbours.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from processors.config import WorkerConfig
from processors.progress import Progress
from processors.steps import AtBarrier, Observations
from processors.watermarks import Watermarks

_STRANGERS_SECONDS = 30.0

_log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where control ended; `commands` is the end of their own topic as long as commands are not yet carried over."""

    commands: int | None
    own: int
    others: dict[int, int]
    give_up: float


class Barrier:
    """The barrier of one partition: one step at most waits at it."""

    def __init__(self, partition: int, config: WorkerConfig, watermarks: Watermarks, progress: Progress) -> None:
        self._partition = partition
        self._config = config
        self._watermarks = watermarks
        self._progress = progress
        self._waiting: AtBarrier | None = None
        self._ends = _Ends(None, 0, {}, 0.0)
        self._not_waited_for: dict[int, int] = {}  # partitions whose owner does not come on, and where it was seen last

    @property
    def is_closed(self) -> bool:
        """Return whether a step waits."""
        return self._waiting is not None

    def close(self, waiting: AtBarrier, own_end: int | None = None) -> None:
        """Let a step wait for what control, or the commands on their way to it, hold at this moment.

        `own_end` is where own control ended when all observations of the step had come, if that is known already.
        """
        self._waiting = waiting
        if not self._config.topics.has_own_commands:
            if own_end is None or waiting.is_everywhere:
                self._ends = self._of_control(is_everywhere=waiting.is_everywhere)
            else:
                self._ends = _Ends(None, own_end, {}, math.inf)
            return
        ends = self._watermarks.ends(self._config.topics.commands, (self._partition,))
        self._ends = _Ends(ends[self._partition], 0, {}, math.inf)

    def open(self, control: int, has_carried_over: Callable[[int], bool]) -> Observations | None:
        """Return the step if it need not wait any longer.

        `control` is the own offset below which everything has taken effect; `has_carried_over` tells whether the own
        commands below an offset are on control.
        """
        if self._waiting is None or not self._is_passed(self._waiting, control, has_carried_over):
            return None
        step, self._waiting = self._waiting.step, None
        return replace(step, has_waited=True)

    def _is_passed(self, waiting: AtBarrier, control: int, has_carried_over: Callable[[int], bool]) -> bool:
        ends = self._ends
        if ends.commands is not None:
            if has_carried_over(ends.commands):
                self._ends = self._of_control(is_everywhere=waiting.is_everywhere)
            return False
        if control < ends.own:
            return False
        if not ends.others:
            return True
        behind = self._progress.behind(ends.others)
        late = {it: at for it, at in behind.items() if self._not_waited_for.get(it) != at}
        if late and time.monotonic() < ends.give_up:
            return False
        if late:
            _log.warning("strangers_not_waited_for", partition=self._partition, behind=sorted(late))
            self._not_waited_for |= late  # they are waited for again once they have come on
        self._ends = self._of_control(is_everywhere=False)  # what they have sent here lies below its end by now
        return False

    def _of_control(self, *, is_everywhere: bool) -> _Ends:
        all_or_own = range(self._config.partitions) if is_everywhere else (self._partition,)
        ends = self._watermarks.ends(self._config.topics.control, all_or_own)
        own = ends.pop(self._partition)
        return _Ends(None, own, ends, time.monotonic() + _STRANGERS_SECONDS)
