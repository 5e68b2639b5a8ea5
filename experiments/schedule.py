"""When runs start by themselves: the schedule of a definition, and the due times that follow from it.

APScheduler's triggers know time zones and daylight saving; which firing comes next is a pure function of the last one,
so that a restart neither loses nor doubles any.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from experiments.cron import cron_trigger
from experiments.durations import Duration
from experiments.families import Part

QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]

#: A firing this late has misfired: the worker was away, and `misfire` says what becomes of it.
GRACE = timedelta(seconds=60)
_TICK = timedelta(microseconds=1)
_SHORTEST = 1_000_000  # microseconds between firings
_YEARS = range(1970, 3000)


def _in_our_time(given: datetime) -> datetime:
    if given.year not in _YEARS:
        raise PydanticCustomError("time", "allowed: the years 1970 to 2999")
    return given


Time = Annotated[AwareDatetime, AfterValidator(_in_our_time)]


class Schedule(Part):
    """When runs start; without it they start by command only.

    `start_at` alone is one run; `cron` (five fields, in `timezone`) and `every` recur until `max_runs` or `until`.
    """

    start_at: Time | None = None
    cron: Annotated[str, StringConstraints(max_length=200)] | None = None
    every: Duration | None = None
    timezone: Annotated[str, StringConstraints(max_length=100)] = "UTC"
    max_runs: Annotated[int, Field(ge=1, le=10**6)] | None = None
    until: Time | None = None
    misfire: Literal["run_once", "skip"] = "run_once"
    overlap: Literal["skip", "queue"] = "skip"
    queue: QueueName | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0

    @model_validator(mode="after")
    def _is_one_schedule(self) -> Self:
        if self.cron is not None and self.every is not None:
            raise PydanticCustomError("schedule", "cron and every are given; allowed: one of them")
        if self.every is not None and self.every < _SHORTEST:
            raise PydanticCustomError("schedule", "every is less than a second; allowed: 1s or more")
        if self.timezone not in _zones():
            raise PydanticCustomError(
                "schedule", "timezone '{given}'; allowed: a name such as Europe/Vienna", {"given": self.timezone}
            )
        if self.cron is not None:
            self._check_cron(self.cron)
        if self.until is not None and self.start_at is not None and self.until < self.start_at:
            raise PydanticCustomError("schedule", "until lies before start_at; allowed: a later time")
        return self

    def _check_cron(self, cron: str) -> None:
        try:
            trigger = cron_trigger(cron, ZoneInfo(self.timezone))
        except ValueError as error:
            raise PydanticCustomError(
                "schedule", "cron '{given}': {error}; allowed: five fields such as 0 9 * * 1",
                {"given": cron, "error": str(error)},
            ) from error  # fmt: skip
        if trigger.get_next_fire_time(None, datetime(2024, 1, 1, tzinfo=UTC)) is None:
            raise PydanticCustomError("schedule", "cron '{given}' never fires", {"given": cron})

    @property
    def recurs(self) -> bool:
        """Return whether there is more than one firing."""
        return self.cron is not None or self.every is not None

    @property
    def fires(self) -> bool:
        """Return whether runs start by the clock at all."""
        return self.recurs or self.start_at is not None


def schedule_of(definition: dict[str, Any]) -> Schedule:
    """Return the schedule of a stored definition."""
    return Schedule.model_validate(definition["schedule"])


def first_firing(schedule: Schedule, defined_at: datetime) -> datetime | None:
    """Return the first due time of an experiment that was defined at that moment, in UTC, None if there is none."""
    begin = schedule.start_at or defined_at
    return next_firing(schedule, begin, begin - _TICK, 0)


def next_firing(schedule: Schedule, anchor: datetime, after: datetime, runs: int) -> datetime | None:
    """Return the first due time later than `after`, in UTC, None if there is none.

    Parameters
    ----------
    anchor
        From where `every` counts: `start_at`, or the moment of the definition.
    after
        The last due time: what was due then is not due again.
    runs
        How many runs the schedule has started; `max_runs` bounds them.
    """
    if schedule.max_runs is not None and runs >= schedule.max_runs:
        return None
    due = _following(schedule, (schedule.start_at or anchor).astimezone(UTC), after.astimezone(UTC))
    return None if due is None or (schedule.until is not None and due > schedule.until) else due


def _following(schedule: Schedule, anchor: datetime, after: datetime) -> datetime | None:
    if schedule.cron is not None:
        return _by_cron(schedule.cron, ZoneInfo(schedule.timezone), max(after + _TICK, anchor))
    if schedule.every is not None:
        step = timedelta(microseconds=schedule.every)
        return anchor if after < anchor else anchor + ((after - anchor) // step + 1) * step
    return anchor if schedule.start_at is not None and after < anchor else None


def _by_cron(cron: str, zone: ZoneInfo, earliest: datetime) -> datetime | None:
    """Return the cron's next time; an hour that daylight saving repeats fires once, unless the cron runs every hour."""
    trigger = cron_trigger(cron, zone)
    hourly = "*" in cron.split()[1]
    while (due := trigger.get_next_fire_time(None, earliest)) is not None:
        moment: datetime = due.astimezone(UTC)
        if hourly or not due.astimezone(zone).fold:
            return moment
        earliest = moment + _TICK
    return None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
