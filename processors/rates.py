"""How many commands one experiment may be sent: a bucket each, filled by Kafka's clock, so that a flood costs little.

What overflows is turned away before its definition is solved. The messages of a run's own source are never held back:
nobody would send them again.
"""

from experiments.batch import Malformed
from schemas import events

_BURST_SECONDS = 10.0
_MOST_BUCKETS = 10_000


class Rates:
    """The buckets of one partition; `per_second` is how fast each empties."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._size = max(1.0, per_second * _BURST_SECONDS)
        self._levels: dict[str, tuple[float, int]] = {}  # what is in the bucket, and when (microseconds)

    def is_over(self, command: events.Command | Malformed, at: int) -> bool:
        """Return whether the command is one too many; it is counted if it is not."""
        if isinstance(command, events.SourceDone | events.SourceFailed):
            return False
        level = self._level(command.experiment_id, at)
        if level + 1 > self._size:
            return True
        if len(self._levels) >= _MOST_BUCKETS:
            self._levels = {name: kept for name, kept in self._levels.items() if self._level(name, at) > 0}
        self._levels[command.experiment_id] = (level + 1, at)
        return False

    def _level(self, experiment_id: str, at: int) -> float:
        level, then = self._levels.get(experiment_id, (0.0, at))
        return max(0.0, level - max(0, at - then) / 1e6 * self._per_second)
