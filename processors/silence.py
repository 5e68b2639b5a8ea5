"""Ends a worker whose reader has fallen silent though its log goes on; the next owner reads on with a new client.

After a broker was killed and has come back, librdkafka now and then does not find it again for one of its clients, for
minutes and without a word, while all others work. Commands would not be answered, and strangers would wait.
"""

from collections.abc import Callable
from typing import Final

_ASK_SECONDS: Final = 15.0
_PATIENCE_SECONDS: Final = 45.0  # in less the open transaction of a writer that died is ended; nobody reads behind it


class SilentReaderError(Exception):
    """A reader has not come to where its log ended a long time ago."""


class Silence:
    """Watches one input of a reader; `end` asks another client where its log ends. Every `now` is in seconds."""

    def __init__(self, name: str, end: Callable[[], int]) -> None:
        self._name, self._end = name, end
        self._reached = self._expected = -1
        self._since = 0.0

    def look(self, now: float, reached: int) -> None:
        """Take note of how far the reader has come.

        Raises
        ------
        SilentReaderError
            If it stands still, far longer than it may take, before a place where the log ended.
        """
        if reached != self._reached:
            self._reached = self._expected = reached
            self._since = now
        elif reached < self._expected and now > self._since + _PATIENCE_SECONDS:
            raise SilentReaderError(
                f"{self._name}: nothing was read behind {reached}; the log ends at {self._expected}"
            )
        elif reached >= self._expected and now > self._since + _ASK_SECONDS:
            self._expected, self._since = self._end(), now
