"""How often a partition looks for observations, and how many it takes at once.

Commands must not wait behind a batch, records must not wait for many small ones, and an idle worker must cost little.
"""

import math
from typing import Final

from processors.config import WorkerConfig

#: A touched experiment costs about as much as so many records: a row, and perhaps some points of its walk.
EXPERIMENT: Final = 20

_FIRST_LIMIT: Final = 500
_LEAST_LIMIT: Final = 100
_TOO_FEW: Final = 50  # to learn from what they cost
_BACKLOG: Final = 5_000
_CATCHING_UP_SECONDS: Final = 0.01
_QUIET_SHARE: Final = 0.1  # nobody watches a tenth of a silence
_RESTED: Final = 3  # a round begins so many rounds behind the last: two thirds of the time are for others
_SMOOTHED: Final = 8  # rounds: after a long one the next comes at once, as what is waiting has waited for long
_LONGEST_SECONDS: Final = 0.4  # a worker that is told to end does so between two looks
_COMMANDS_SECONDS: Final = 2.0
_COMMANDS_SHARE: Final = 0.4


class Urgency:
    """Whether commands have come to any partition of a worker a moment ago: more may come, and wait for any batch."""

    def __init__(self) -> None:
        self._at = -math.inf

    def commands_came(self, now: float) -> None:
        """Note that there were commands."""
        self._at = now

    def lasts(self, now: float) -> bool:
        """Return whether batches have to be short."""
        return now - self._at < _COMMANDS_SECONDS


class Pace:
    """The pace of one partition; every `now` is of the same clock, in seconds.

    `limit` is how many records the next batch may have, `look_at` when to look for them.
    """

    def __init__(self, config: WorkerConfig, urgency: Urgency) -> None:
        self._config, self._urgency = config, urgency
        self.limit = _FIRST_LIMIT
        self.look_at = 0.0
        self._found_at = self._looked_at = 0.0
        self._is_behind = False
        self._round_seconds = 0.0  # what one takes, as of late

    def looked(self, now: float, found: int, lag: int) -> None:
        """Note that so many records were there, and how many are left in the log."""
        pause = self._config.pace_seconds
        if found:
            self._found_at = now
        else:  # what an idle worker costs is looking
            pause = max(pause, min(_LONGEST_SECONDS, _QUIET_SHARE * (now - self._found_at)))
        if found == self.limit:
            pause = 0.0
        elif lag > _BACKLOG:
            # Of large records an answer of the broker holds fewer than the limit.
            pause = min(pause, _CATCHING_UP_SECONDS)
        self.look_at = now + pause
        self._looked_at, self._is_behind = now, pause < self._config.pace_seconds

    def computed(self, now: float, records: int, touched: int, seconds: float, known: int) -> None:
        """Bound the next batch so that it computes within its share of time: half of the way, if it is not urgent.

        The worker is busy: where it is not behind the log it rests for twice as long as a round takes. Fewer and larger
        batches cost less, and on a busy machine they come sooner than many that wait for one another.
        """
        if not self._is_behind:
            self._round_seconds += (now - self._looked_at - self._round_seconds) / _SMOOTHED
            self.look_at = max(self.look_at, self._looked_at + min(_LONGEST_SECONDS, _RESTED * self._round_seconds))
        if records < _TOO_FEW:
            return
        is_urgent = self._urgency.lasts(now)
        share = self._config.batch_seconds * (_COMMANDS_SHARE if is_urgent else 1)
        goal = affordable(records, touched, known, share / max(seconds, 1e-6), self._config.batch_records)
        self.limit = max(_LEAST_LIMIT, goal if is_urgent and goal < self.limit else (self.limit + goal) // 2)


def affordable(records: int, touched: int, known: int, times: float, most: int) -> int:
    """Return how many records a batch may have, after one of `records` that touched so many experiments.

    A batch within its share of time is best as large as it can be, since each experiment costs once: of `most` records,
    and of half as many more as touching the experiments costs, up to half of `most`. Where touching all of the `known`
    experiments takes more than half of that share, a batch of twice the share holds so many more of each that it does
    up to several times as much a second. Where it would not even hold one of each, every record touches another
    experiment, and nothing is won by a larger batch.

    Parameters
    ----------
    times
        By how much longer than that batch one should take.
    """
    spread = EXPERIMENT * (touched if records >= 2 * touched else known)
    units = (records + EXPERIMENT * touched) * times
    if units > 2 * spread:
        return min(most + min(most, spread) // 2, int(units) - spread)
    if 2 * units > spread + spread / EXPERIMENT:
        return min(2 * most, int(2 * units) - spread)
    return int(units / (EXPERIMENT + 1))
