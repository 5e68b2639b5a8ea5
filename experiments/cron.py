"""The five fields of cron as people know them: Sunday is 0 or 7, Monday 1.

APScheduler computes the times, but counts the days of the week from Monday as 0; names mean the same to both.
"""

import re
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:(\*)|([0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?)(?:/([1-9]))?")


def cron_trigger(cron: str, zone: ZoneInfo) -> CronTrigger:
    """Return the times of a cron expression in a time zone.

    Raises
    ------
    ValueError
        If it is not five fields that cron knows.
    """
    *fields, days = cron.split() or [""]
    return CronTrigger.from_crontab(" ".join((*fields, _by_name(days) if len(fields) == 4 else days)), timezone=zone)


def _by_name(days: str) -> str:
    """Return a field of days of the week with names for numbers, ranges written out."""
    if days == "*":
        return days
    names: list[str] = []
    for part in days.lower().split(","):
        match = _PART.fullmatch(part)
        if match is None:
            return days  # what only APScheduler knows, or nobody: it says so
        every, first, last, step = match.groups()
        low = 0 if every else _number(first)
        high = 6 if every else _number(last) if last else 6 if step else low
        end = high + 7 if high < low else high  # over the weekend: fri-sun, 6-1
        names += [_DAYS[day % 7] for day in range(low, end + 1, int(step or 1))]
    return ",".join(names)


def _number(day: str) -> int:
    return int(day) if day.isdigit() else _DAYS.index(day)
