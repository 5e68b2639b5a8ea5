"""Numbers to observation records: checked before anything is sent, cut into records of at most 10 000 values.

The limits are those of the wire format (`schemas.codecs`); what a family allows is judged by the worker.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from producers.errors import NotAllowedError
from schemas import codecs, events


def observations(
    experiment_id: str,
    values: ArrayLike,
    source: str,
    sequence: int,
    *,
    arm: Literal["a", "b"] | None = None,
    observed_at: datetime | int | None = None,
) -> Iterator[events.Observation]:
    """Return the records that hold the values, numbered from `sequence` on.

    Raises
    ------
    NotAllowedError
        If a field is outside its limits, with the field, what was given and what is allowed.
    """
    if not codecs.EXPERIMENT_ID.fullmatch(experiment_id):
        raise NotAllowedError(f"experiment_id: {experiment_id!r}; allowed: {codecs.EXPERIMENT_ID.pattern}")
    if arm not in (None, "a", "b"):
        raise NotAllowedError(f"arm: {arm!r}; allowed: None, 'a', 'b'")
    if not 1 <= len(source) <= codecs.MAX_SOURCE_LENGTH:
        raise NotAllowedError(f"source: {len(source)} characters; allowed: 1 to {codecs.MAX_SOURCE_LENGTH}")
    column = numbers(values)
    moment = _microseconds(observed_at)

    def cut() -> Iterator[events.Observation]:
        for number, first in enumerate(range(0, len(column), codecs.MAX_VALUES)):
            yield events.Observation(
                experiment_id=experiment_id,
                values=column[first : first + codecs.MAX_VALUES].tolist(),
                arm=arm,
                observed_at=moment,
                source=source,
                sequence=sequence + number,
            )

    return cut()


def numbers(values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the values as a column of finite numbers; raises `NotAllowedError` for what is none."""
    try:
        column = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise NotAllowedError(f"values: {values!r:.80}; allowed: one number or a sequence of numbers") from error
    if column.ndim != 1 or column.size == 0:
        raise NotAllowedError(f"values: of shape {column.shape}; allowed: one number or a flat, non-empty sequence")
    if not np.isfinite(column).all():
        index = int(np.flatnonzero(~np.isfinite(column))[0])
        raise NotAllowedError(f"values[{index}]: {column[index]}; allowed: finite numbers")
    return column


def _microseconds(moment: datetime | int | None) -> int | None:
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise NotAllowedError(f"observed_at: {moment.isoformat()} has no time zone; allowed: a time with zone")
        return round(moment.astimezone(UTC).timestamp() * 1e6)
    return moment
