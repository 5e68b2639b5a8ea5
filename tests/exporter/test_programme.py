"""Reports over the runs of a period: right counts, an honest ledger, written once."""

import fcntl
import json
import math
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import openpyxl
import pytest

from exporter.catalog import Recorded
from exporter.periods import Period, last_firing, period_before, span
from exporter.programme import report
from exporter.programme.figures import figures
from exporter.reporter import ReportPlan, due, write_due
from schemas import events
from tests.exporter.installation import Installation, measured
from tests.exporter.runs import START, Run, bits, decided, definition, records

NOW = datetime(2026, 11, 25, 21, 3, tzinfo=UTC)
WEEK = Period("2026-W10", START - timedelta(days=1), START + timedelta(days=6))


@pytest.mark.parametrize(
    ("length", "timezone", "name", "begin", "end"),
    [
        ("day", "UTC", "2026-11-24", "2026-11-24T00:00", "2026-11-25T00:00"),
        ("week", "UTC", "2026-W47", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("month", "UTC", "2026-10", "2026-10-01T00:00", "2026-11-01T00:00"),
        ("month", "Europe/Vienna", "2026-10", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("day", "Asia/Tokyo", "2026-11-25", "2026-11-24T15:00", "2026-11-25T15:00"),
    ],
)
def test_a_period_is_the_last_whole_one_of_its_time_zone(
    length: str, timezone: str, name: str, begin: str, end: str
) -> None:
    found = period_before(NOW, length, timezone)  # type: ignore[arg-type]  # parametrised

    assert found.name == name
    assert (found.begin.strftime("%Y-%m-%dT%H:%M"), found.end.strftime("%Y-%m-%dT%H:%M")) == (begin, end)


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: a later end"):
        span(NOW, NOW)


@pytest.mark.parametrize(
    ("cron", "fired"),
    [
        ("0 6 * * *", "2026-11-25T06:00"),
        ("0 6 * * mon", "2026-11-23T06:00"),
        ("30 5 1 * *", "2026-11-01T05:30"),
        ("0 0 24 12 *", "2025-12-24T00:00"),
        ("3 21 * * *", "2026-11-25T21:03"),
    ],
)
def test_the_last_firing_is_found_however_rare(cron: str, fired: str) -> None:
    found = last_firing(cron, NOW)

    assert found is not None
    assert found.strftime("%Y-%m-%dT%H:%M") == fired


def told(run: Run, number: int, at: datetime = START, **started: object) -> Recorded:
    """Return the run as the number-th of its experiment, decided at another time."""
    timeline = []
    for entry in run.timeline:
        event = entry.event
        if isinstance(event, events.Started):
            event = msgspec.structs.replace(event, run=number, **started)
        elif isinstance(event, events.Decision):
            event = msgspec.structs.replace(event, run=number, id=f"{event.experiment_id}/{number}", at=at)
        timeline.append(msgspec.structs.replace(entry, event=event))
    return Recorded(tuple(timeline))


@pytest.fixture(scope="module")
def programme(h1_run: Run) -> list[Recorded]:
    """Nine decided runs: an earlier one, four nulls, a retry, a timeout; the source's truth is known of some."""
    null = definition(id="null", title="Null run", source={"kind": "entropy", "p": 0.5})
    h0 = decided(null, records([[x] for x in bits(0.5, 1500)], experiment_id="null"))
    false = decided(null, records([[x] for x in bits(0.62, 1500)], experiment_id="null"))
    short = decided(
        definition(id="short", stop={"max_samples": 30}), records([[x] for x in bits(0.55, 40)], experiment_id="short")
    )
    return [
        told(h0, 1, START - timedelta(days=3)),
        told(h0, 2),
        told(h0, 3),
        told(false, 4),
        told(h0, 5),
        told(short, 1),
        told(short, 2, attempt=2, retry_of=1),
        told(h1_run, 1),
        told(h1_run, 2, START + timedelta(days=9)),
    ]


def test_runs_of_the_period_are_counted_and_earlier_ones_are_tries(programme: list[Recorded]) -> None:
    found = figures(WEEK, programme, frozenset({"null/4"}))

    assert (found.runs, found.experiments) == (7, 3)
    assert found.outcomes == {"accept_h0": 3, "accept_h1": 2, "inconclusive": 2}
    assert found.reasons == {"boundary_lower": 3, "boundary_upper": 2, "max_samples": 2}
    assert (found.retries, found.recurrences, found.disputed) == (1, 4, 1)
    assert [(line.experiment_id, line.run, line.runs_so_far) for line in found.lines][:2] == [
        ("null", 2, 2), ("null", 3, 3),
    ]  # fmt: skip
    assert found.observations == sum(line.n for line in found.lines)


def test_errors_are_observed_where_the_truth_is_known(programme: list[Recorded]) -> None:
    false_h1, false_h0 = figures(WEEK, programme).rates

    assert (false_h1.runs, false_h1.wrong, false_h1.observed) == (4, 1, 0.25)
    assert false_h1.planned == pytest.approx(programme[0].defined.certificate["alpha"])
    assert false_h1.interval == pytest.approx((0.0063, 0.8059), abs=1e-4)  # Clopper and Pearson, 1 of 4
    assert (false_h0.runs, false_h0.observed) == (0, None)


def test_the_ledger_is_e_bh_over_every_run(programme: list[Recorded]) -> None:
    found = figures(WEEK, programme)

    e = [math.exp(run.decision.llr) for run in programme[1:8]]
    assert [line.e_value for line in found.lines] == e
    largest = sorted(e, reverse=True)
    count = max((k for k in range(1, 8) if largest[k - 1] >= 7 / (0.05 * k)), default=0)
    assert (found.hypotheses, found.discoveries) == (7, count)
    assert sum(line.rejected is True for line in found.lines) == count


def test_a_report_is_written_once_the_same_numbers_in_each_file(programme: list[Recorded], tmp_path: Path) -> None:
    first = report(tmp_path, WEEK, programme, frozenset())
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    again = report(tmp_path, WEEK, programme[:2], frozenset())

    assert (first.is_new, again.is_new) == (True, False)
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["2026-W10"]
    read = json.loads(before["report.json"])
    sheet = openpyxl.load_workbook(first.folder / "report.xlsx")["runs"]
    head, *lines = sheet.values
    assert [line[head.index("n")] for line in lines] == [line["n"] for line in read["lines"]]
    if shutil.which("pdftotext"):
        command = ("pdftotext", "-layout", first.folder / "report.pdf", "-")
        text = " ".join(subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.split())
        assert "7 runs of 3 experiments ended: 3 H0 accepted, 2 H1 accepted, 2 inconclusive." in text
        assert f"{read['discoveries']} of 7 null hypo" in text


def test_the_same_runs_give_the_same_bytes(programme: list[Recorded], tmp_path: Path) -> None:
    first, second = (report(tmp_path / name, WEEK, programme, frozenset()).folder for name in "ab")

    for path in first.iterdir():
        assert (second / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_period_without_runs_says_so(tmp_path: Path) -> None:
    folder = report(tmp_path, WEEK, [], frozenset()).folder

    assert json.loads((folder / "report.json").read_bytes())["runs"] == 0


def test_of_two_writers_one_is_told(programme: list[Recorded], tmp_path: Path) -> None:
    partial = tmp_path / ".2026-W10.partial"
    partial.mkdir()
    handle = os.open(partial, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(BlockingIOError):
        report(tmp_path, WEEK, programme, frozenset())
    os.close(handle)

    assert report(tmp_path, WEEK, programme, frozenset()).is_new


@pytest.mark.stack
def test_what_is_due_is_written_from_kafka_once(installation: Installation, tmp_path: Path) -> None:
    plan = ReportPlan("0 0 * * mon", "week", "UTC", tmp_path / "reports")
    run = measured(installation)
    now = run.decision.at + timedelta(days=7)
    assert write_due(plan, installation.kafka, installation.topics, now) is None  # nothing was ever decided
    installation.publish(run)
    folder = write_due(plan, installation.kafka, installation.topics, now)
    period = due(plan, now)

    assert period is not None
    assert period.holds(run.decision.at)
    assert folder == tmp_path / "reports" / period.name
    assert json.loads((folder / "report.json").read_bytes())["runs"] == 1
    assert write_due(plan, installation.kafka, installation.topics, now) is None
