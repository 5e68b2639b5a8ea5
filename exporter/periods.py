"""Periods of reports: the day, week or month before a moment, in a time zone, and when a report is due."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from experiments.cron import cron_trigger

Length = Literal["day", "week", "month"]
LENGTHS: Final = ("day", "week", "month")
_TICK: Final = timedelta(microseconds=1)
#: How far back a missed firing is looked for: the longest wait between two firings of a yearly cron.
_FARTHEST: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Period:
    """From `begin` up to, not including, `end`; `name` is its folder: `2026-11-24`, `2026-W48`, `2026-11`."""

    name: str
    begin: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        """Return whether the moment lies in the period."""
        return self.begin <= moment < self.end


def period_before(moment: datetime, length: Length, timezone: str = "UTC") -> Period:
    """Return the last whole day, week (from Monday) or month that had ended at the moment."""
    zone = ZoneInfo(timezone)
    today = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if length == "day":
        begin, end = today - timedelta(days=1), today
        name = begin.strftime("%Y-%m-%d")
    elif length == "week":
        end = today - timedelta(days=today.weekday())
        begin = end - timedelta(days=7)
        name = begin.strftime("%G-W%V")
    else:
        end = today.replace(day=1)
        begin = (end - timedelta(days=1)).replace(day=1)
        name = begin.strftime("%Y-%m")
    return Period(name, *(edge.replace(tzinfo=zone).astimezone(UTC) for edge in (begin, end)))


def span(begin: datetime, end: datetime) -> Period:
    """Return a period between two given moments; its name says both.

    Raises
    ------
    ValueError
        If it would be empty.
    """
    if not begin < end:
        raise ValueError(f"from {begin:%Y-%m-%dT%H:%M}, to {end:%Y-%m-%dT%H:%M}; allowed: a later end")
    first, last = (edge.astimezone(UTC).strftime("%Y-%m-%dT%H%M") for edge in (begin, end))
    return Period(f"{first}--{last}", begin, end)


def last_firing(cron: str, moment: datetime, timezone: str = "UTC") -> datetime | None:
    """Return when the cron expression last fired at or before the moment, None if it did not within a year.

    Raises
    ------
    ValueError
        If the expression has not five fields that fit.
    """
    trigger = cron_trigger(cron, ZoneInfo(timezone))
    for back in (timedelta(hours=2), timedelta(days=1), timedelta(days=8), timedelta(days=35), _FARTHEST):
        found, following = None, trigger.get_next_fire_time(None, moment - back)
        while following is not None and following <= moment:
            found, following = following, trigger.get_next_fire_time(following, following + _TICK)
        if found is not None:
            fired: datetime = found.astimezone(UTC)
            return fired
    return None
