"""Many runs in one folder: copied where their archive stands, folded again from Kafka where it does not."""

import csv
import json
import threading
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from exporter import manifest
from exporter.batch import Batch, export_all
from exporter.catalog import recorded
from exporter.export import Exporter
from exporter.selection import selection
from exporter.verify import verify
from tests.exporter.installation import Installation, measured, until

pytestmark = pytest.mark.stack


def exported(installation: Installation, folder: Path, where: str = "n>0", **options: Any) -> Batch:
    test = selection(where)
    runs = [run for run in recorded(installation.kafka, installation.topics) if test(run)]
    exporter = Exporter(installation.kafka, installation.topics, folder, "test-export", threading.Event())
    try:
        return export_all(runs, exporter, folder, **{"standing": installation.archives, "chosen": None, **options})
    finally:
        exporter.close()


def test_past_runs_are_exported_from_kafka_with_an_index_and_one_workbook(
    installation: Installation, tmp_path: Path
) -> None:
    for key, p in (("first", 0.62), ("second", 0.45)):
        installation.publish(measured(installation, key, p))
    seen = list[str]()
    made = exported(installation, tmp_path / "out", chosen=("csv",), progress=seen.append)

    assert made.is_whole
    assert sorted(seen) == ["first/1", "second/1"]
    assert {line.how for line in made.lines} == {"written"}
    for name in seen:
        assert verify(tmp_path / "out" / name).ok
    with (tmp_path / "out" / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["experiment_id"]: row for row in csv.DictReader(stream)}
    assert (rows["first"]["outcome"], rows["second"]["outcome"]) == ("accept_h1", "accept_h0")
    listed = {line["experiment_id"]: line for line in json.loads((tmp_path / "out" / "index.json").read_bytes())}
    for key, row in rows.items():
        read = json.loads((tmp_path / "out" / row["location"] / "experiment.json").read_bytes())
        assert float(row["llr"]) == read["numbers"]["llr"] == listed[key]["numbers"]["llr"]
        assert row["manifest_digest"] == manifest.read(tmp_path / "out" / row["location"])[1]
    book = openpyxl.load_workbook(tmp_path / "out" / "workbook.xlsx")
    assert book.sheetnames == ["runs", "designs", "timelines"]
    head, *lines = book["runs"].values
    assert len(lines) == 2
    place = head.index("Log-likelihood ratio at the stop (nats)")
    written = [line[place] for line in lines]
    assert written == pytest.approx([line.numbers["llr"] for line in made.lines], rel=1e-15)  # Excel's sixteen digits


def test_an_archive_that_stands_is_copied_and_keeps_its_published_digest(
    installation: Installation, tmp_path: Path
) -> None:
    run = measured(installation)
    with installation.exporting():
        installation.publish(run)
        (written,) = until(installation.announced)
    made = exported(installation, tmp_path / "out")
    again = exported(installation, tmp_path / "out")
    fresh = exported(installation, tmp_path / "fresh", standing=None)

    assert [line.how for line in (*made.lines, *again.lines, *fresh.lines)] == ["copied", "copied", "written"]
    for folder in ("out", "fresh"):  # the same bytes from Kafka as from the folder
        assert verify(tmp_path / folder / "rng-bias" / "1", written.manifest_digest).ok
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".partial", "index.csv", "index.json", "rng-bias", "workbook.xlsx",
    ]  # fmt: skip


def test_a_copy_is_not_taken_from_an_archive_that_was_changed(installation: Installation, tmp_path: Path) -> None:
    run = measured(installation)
    folder = run.published(installation.archives, ("csv",))
    installation.publish(run)
    (folder / "walk.csv").write_bytes(b"n\r\n")
    made = exported(installation, tmp_path / "out", chosen=("csv",))

    assert [line.how for line in made.lines] == ["written"]
    assert verify(tmp_path / "out" / "rng-bias" / "1").ok


def test_a_disputed_run_is_exported_and_named(installation: Installation, tmp_path: Path) -> None:
    run = measured(installation)
    installation.publish(run.with_decision(n=run.decision.n - 1))
    made = exported(installation, tmp_path / "out", chosen=("json",))

    assert not made.is_whole
    assert made.lines[0].problem is not None
    assert made.lines[0].problem.startswith("disputed: n: published")
