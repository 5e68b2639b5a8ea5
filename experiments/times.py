"""Microseconds since the epoch, as on the wire, and aware datetimes, as in events."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=4096)  # the records of a batch come by the thousand in a millisecond
def micros(moment: datetime) -> int:
    """Return microseconds since the epoch, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=4096)  # same
def moment(microseconds: int) -> datetime:
    """Return the aware UTC datetime of microseconds since the epoch, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)
