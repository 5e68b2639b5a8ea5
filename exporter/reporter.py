"""Scheduled reports: at each firing of the cron setting, the report of the last whole period, once."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from exporter.catalog import CatalogError, recorded
from exporter.formats import Paper
from exporter.periods import Length, Period, last_firing, period_before
from exporter.programme import disputed_runs, report, stands
from schemas.codecs import Resolver
from schemas.registry import RegistryUnavailableError
from schemas.topics import Topics

_LOOK_EVERY: Final = 20.0

log = structlog.get_logger("exporter")


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """When reports are due, over what, and where they go.

    Parameters
    ----------
    cron
        Five fields, in `timezone`.
    length
        The report of a firing is that of the last whole day, week or month before it.
    """

    cron: str
    length: Length
    timezone: str
    reports: Path
    paper: Paper = "a4"


def due(plan: ReportPlan, now: datetime) -> Period | None:
    """Return the period whose report must stand at the moment, None while nothing was due."""
    fired = last_firing(plan.cron, now, plan.timezone)
    return None if fired is None else period_before(fired, plan.length, plan.timezone)


def write_due(
    plan: ReportPlan, kafka: Mapping[str, str], topics: Topics, now: datetime, registry: Resolver | None = None
) -> Path | None:
    """Write the report that is due and not there yet; return its folder, None if there was nothing to do.

    A period in which nothing had ever been decided gets no report: the installation is younger.
    """
    period = due(plan, now)
    if period is None or stands(plan.reports, period):
        return None
    runs = recorded(kafka, topics, registry)
    if not any(run.decision.at < period.end for run in runs):
        return None
    made = report(plan.reports, period, runs, disputed_runs(kafka, topics), plan.paper)
    return made.folder if made.is_new else None


def keep_reporting(
    plan: ReportPlan, kafka: Mapping[str, str], topics: Topics, registry: Resolver | None, stop: threading.Event
) -> None:
    """Write reports as they fall due until `stop` is set; what fails is tried again at the next look."""
    settled: Period | None = None
    while not stop.is_set():
        now = datetime.now(UTC)
        period = due(plan, now)
        if period is not None and period != settled:
            try:
                folder = write_due(plan, kafka, topics, now, registry)
                settled = period
                if folder is not None:
                    log.info("reported", period=period.name, folder=str(folder))
            except BlockingIOError:
                pass  # another exporter writes it
            except (OSError, CatalogError, RegistryUnavailableError) as error:
                log.error("not reported, trying again", period=period.name, error=str(error))  # noqa: TRY400 one line, the error says all
        stop.wait(_LOOK_EVERY)
