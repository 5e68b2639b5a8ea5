"""Independent readers open every file and find the same numbers in all of them."""

import csv
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import polars as pl
import pytest

from exporter.observations import COLUMNS
from tests.exporter.families import family_run
from tests.exporter.runs import FORMATS, Run, bits, decided, definition, records

NAUGHTY = ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", " =1", "＝1", "a,b", 'say "no"', "a\r\nb", "a\u202eb", "a\x00b"]


def text_of(pdf: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is missing: apt-get install poppler-utils")
    done = subprocess.run(("pdftotext", "-layout", pdf, "-"), capture_output=True, encoding="utf-8", check=True)
    return done.stdout


@pytest.fixture(scope="session")
def document(h1_folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((h1_folder / "experiment.json").read_bytes())
    return read


def test_csv_and_parquet_hold_the_same_table_to_the_last_bit(h1_folder: Path) -> None:
    given = pl.read_csv(h1_folder / "observations.csv", infer_schema_length=None, try_parse_dates=True)
    stored = pl.read_parquet(h1_folder / "observations.parquet")
    assert tuple(given.columns) == tuple(stored.columns) == COLUMNS
    for name in ("n", "offset", "index", "sequence", "value", "llr", "status", "source"):
        assert given[name].to_list() == stored[name].to_list(), name
    times = pd.read_csv(h1_folder / "observations.csv")["observed_at"]
    assert pd.to_datetime(times).tolist() == pd.read_parquet(h1_folder / "observations.parquet")["observed_at"].tolist()
    assert times.str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").all()


def test_csv_lines_end_as_rfc_4180_says_and_floats_are_python_s_repr(h1_folder: Path) -> None:
    data = (h1_folder / "observations.csv").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 135
    with (h1_folder / "observations.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert all(row["llr"] == repr(float(row["llr"])) and row["value"] in ("0.0", "1.0") for row in rows)


def test_the_last_applied_row_is_the_decision(h1_folder: Path, document: dict[str, Any]) -> None:
    last = pd.read_parquet(h1_folder / "observations.parquet").query("status == 'applied'").iloc[-1]
    decision = document["decision"]
    assert (last["n"], last["llr"], last["offset"], last["index"]) == tuple(
        decision[name] for name in ("n", "llr", "offset", "index")
    )


SAME = {
    "n": "Observations applied, n",
    "llr": "Log-likelihood ratio at the stop",
    "p_value": "Always-valid p",
    "naive_estimate": "Naive estimate of p",
    "median_unbiased_estimate": "Median-unbiased estimate of p",
    "interval_lower": "Lower limit for p, 95 %",
    "interval_upper": "Upper limit for p, 95 %",
}


def test_n_llr_p_estimate_and_interval_are_the_same_in_every_format(h1_folder: Path, document: dict[str, Any]) -> None:
    numbers = document["numbers"]
    assert [document["estimates"]["median_unbiased"], *document["estimates"]["interval"]] == [
        numbers[key] for key in ("median_unbiased_estimate", "interval_lower", "interval_upper")
    ]
    for table in (pd.read_csv(h1_folder / "summary.csv"), pd.read_parquet(h1_folder / "summary.parquet")):
        exact = dict(zip(table["key"], table["value"], strict=True))
        assert {key: exact[key] for key in SAME} == {key: numbers[key] for key in SAME}
    sheet = openpyxl.load_workbook(h1_folder / "workbook.xlsx")["summary"]
    cells = {row[0].value: row[1].value for row in sheet.iter_rows() if len(row) > 1}
    tex = (h1_folder / "table.tex").read_text().replace("$-$", "-").replace("\\%", "%").replace("&", " ")
    printed = text_of(h1_folder / "report.pdf")
    for key, label in SAME.items():
        assert math.isclose(cells[label], numbers[key], rel_tol=1e-15), key  # Excel keeps 15 digits and more
        for text in (printed, tex):
            (number,) = set(re.findall(rf"{re.escape(label)}\s+(-?[\d.e-]+)", text))
            assert float(number) == float(f"{numbers[key]:.6g}"), key


def test_the_tables_end_in_n_llr_and_p_and_give_the_estimate_themselves(
    h1_folder: Path, document: dict[str, Any]
) -> None:
    numbers, walk = document["numbers"], pd.read_csv(h1_folder / "walk.csv")
    assert [walk[name].iloc[-1] for name in ("n", "llr", "p_value")] == [numbers[k] for k in ("n", "llr", "p_value")]
    tables = (pd.read_csv(h1_folder / "observations.csv"), pd.read_parquet(h1_folder / "observations.parquet"))
    for table in tables:
        applied = table[table["status"] == "applied"]
        assert (applied["n"].iloc[-1], applied["llr"].iloc[-1]) == (numbers["n"], numbers["llr"])
        assert math.exp(-max(0.0, applied["llr"].max())) == numbers["p_value"]
        assert applied["value"].mean() == numbers["naive_estimate"]


def test_a_csv_reader_written_in_c_reads_the_same_rows(h1_folder: Path, naughty_folder: Path) -> None:
    program = shutil.which("sqlite3")
    if program is None:
        pytest.skip("sqlite3 is missing: apt-get install sqlite3")
    for folder in (h1_folder, naughty_folder):
        commands = (
            f".import --csv {folder / 'observations.csv'} t",
            ".mode json",
            "select source, llr, status from t;",
        )
        done = subprocess.run((program, ":memory:", *commands), capture_output=True, encoding="utf-8", check=True)
        with (folder / "observations.csv").open(newline="", encoding="utf-8") as stream:
            expected = [{key: row[key] for key in ("source", "llr", "status")} for row in csv.DictReader(stream)]
        assert json.loads(done.stdout) == expected


def test_the_workbook_has_typed_columns_frozen_headers_and_a_chart(h1_folder: Path) -> None:
    book = openpyxl.load_workbook(h1_folder / "workbook.xlsx")
    assert book.sheetnames == ["summary", "design", "observations", "walk", "timeline"]
    sheet = book["observations"]
    assert tuple(cell.value for cell in sheet[1]) == COLUMNS
    assert sheet.freeze_panes == "A2"
    assert [cell.data_type for cell in sheet[2]] == ["n", "n", "n", "n", "d", "s", "n", "n", "n", "s", "n"]
    assert len(book["walk"]._charts) == 1
    assert book.properties.title == "Is the entropy source biased?"


def test_a_long_run_s_workbook_says_where_the_rest_is(
    h1_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.workbook.LARGEST_TABLE", 50)
    folder = h1_run.published(tmp_path, ("xlsx",))
    sheet = openpyxl.load_workbook(folder / "workbook.xlsx")["observations"]
    assert sheet.max_row == 52
    assert sheet["A52"].value == "The first 50 rows; all 134 are in observations.parquet."


@pytest.fixture(scope="session")
def naughty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in which every text that a user can give tries to do harm."""
    values = bits(0.62, 600)
    read = records([[x] for x in values])[len(NAUGHTY) :]
    for number, source in enumerate(NAUGHTY):
        (made,) = records([[values[number]]], source=source, sequence=0)
        read.insert(number, made._replace(offset=1200 + number))
    title = "=HYPERLINK(1) #set page(fill: red) *b* $x$ <script> " + "long " * 20
    given = definition(title=title, owner="@ana", tags=["=x", "#t"])
    return decided(given, read).published(tmp_path_factory.mktemp("naughty"), FORMATS)


def test_no_text_cell_is_a_formula_to_a_spreadsheet(naughty_folder: Path) -> None:
    with (naughty_folder / "observations.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["source"] for row in rows[: len(NAUGHTY)]] == [
        "'=1+1", "'+49", "'-2", "'@SUM(A1)", "' =1", "' =1", "'＝1", "a,b", 'say "no"',
        "a  b", "a\\u202eb", "a\\u0000b",
    ]  # fmt: skip
    book = openpyxl.load_workbook(naughty_folder / "workbook.xlsx")
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f"
                if isinstance(cell.value, str):
                    assert not cell.value.lstrip().startswith(("=", "+", "-", "@")), (sheet.title, cell.coordinate)


def test_parquet_and_json_hold_text_exactly(naughty_folder: Path) -> None:
    sources = pl.read_parquet(naughty_folder / "observations.parquet")["source"].to_list()
    assert sources[: len(NAUGHTY)] == NAUGHTY
    read = json.loads((naughty_folder / "experiment.json").read_bytes())
    assert read["definition"]["owner"] == "@ana"


def test_text_is_never_markup_in_the_report(naughty_folder: Path) -> None:
    printed = text_of(naughty_folder / "report.pdf")
    assert "=HYPERLINK(1) #set page(fill: red) *b* $x$ <script>" in printed.replace("\u2068", "").replace("\n", " ")
    assert "\u202e" not in printed


@pytest.mark.parametrize("tool", ["pdffonts", "pdfinfo"])
def test_the_report_has_all_fonts_embedded_and_names_its_title_and_author(tool: str, h1_folder: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing: apt-get install poppler-utils")
    done = subprocess.run((tool, h1_folder / "report.pdf"), capture_output=True, encoding="utf-8", check=True)
    if tool == "pdffonts":
        fonts = [line.split()[-5:-2] for line in done.stdout.splitlines()[2:]]
        assert fonts
        assert all(embedded == "yes" for embedded, *_ in fonts)
    else:
        assert "Title:           Is the entropy source biased?" in done.stdout
        assert "Author:          ana" in done.stdout
        assert "A4" in done.stdout


def test_the_first_page_tells_the_whole_story(h1_folder: Path) -> None:
    page = " ".join(text_of(h1_folder / "report.pdf").split("\f", 1)[0].split())
    for words in (
        "Is the entropy source biased?",
        "H1 (p = 0.6) accepted against H0 (p = 0.5) at alpha = 0.01, beta = 0.05; crossed the upper boundary",
        "log-likelihood ratio (nats)",
        "observations applied, n",
        "upper 4.55388",
        "lower -2.98568",
        "sprt.observations, partition 3, offsets 1200 to 1333",
        "waldstream verify archives/rng-bias/1",
        "run 1 started",
        "bench is free",
    ):
        assert words in page


def test_pages_and_figures_are_numbered_in_order(h1_folder: Path) -> None:
    printed = text_of(h1_folder / "report.pdf")
    pages = re.findall(r"Page (\d+) of (\d+)", printed)
    assert pages == [(str(number), str(len(pages))) for number in range(1, len(pages) + 1)]
    assert re.findall(r"Figure (\d)\.", printed) == ["1", "2", "3", "4"]


def test_the_report_has_an_abstract_the_health_of_the_run_and_where_the_walk_was_planned(h1_folder: Path) -> None:
    printed = " ".join(text_of(h1_folder / "report.pdf").split())
    for words in (
        "Trial design Adaptive, sequential design: sequential probability ratio test (SPRT) of H0: p = 0.5 against",
        "Pre-planned adaptation Stopping early",
        "The test stopped early at n = 134: the walk crossed the upper boundary",
        "Health of the run",
        "Duplicates passed 0.00% of the records were sent more than once and dropped",
        "planned walks under H1: 5, 50 and 95 % points",
        "Envelope in Figure 1: simulation of 1000 walks, seed 20261",
        "pilot showed 0.6",
    ):
        assert words in printed


def test_n_of_each_arm_is_given_and_a_law_without_closed_form_is_simulated_and_named_so(tmp_path: Path) -> None:
    folder = family_run("student-t-two-sample").published(tmp_path, ("pdf",))
    printed = " ".join(text_of(folder / "report.pdf").split())
    assert "n = 18 (9 in arm a, 9 in arm b)" in printed
    assert "Law of n: simulation of 400 walks per parameter value, seed 20261" in printed
    assert "Planned law of n through its quantiles" in printed


def test_every_item_of_the_checklist_is_there(h1_folder: Path) -> None:
    printed = text_of(h1_folder / "report.pdf").split("Reporting checklist", 1)[1]
    found = [int(number) for number in re.findall(r"^\s{0,2}(\d{1,2})\s{2,}\S", printed, re.MULTILINE)]
    assert found == list(range(1, 25))


SIGN = {"stop": {"max_samples": 40, "at_limit": "sign"}}
ENDINGS: dict[str, tuple[dict[str, Any], float, str]] = {
    "the lower boundary": (
        {},
        0.45,
        "H0 (p = 0.5) accepted against H1 (p = 0.6) at alpha = 0.01, beta = 0.05; crossed the",
    ),
    "the p rule": ({"stop": {"p_value": 0.01, "max_samples": 2000}}, 0.66, "the always-valid p reached 0.01 at n = "),
    "the limit": ({"stop": {"max_samples": 40}}, 0.55, "reached the largest sample size at n = 40 without crossing"),
    "the sign at the limit": (SIGN, 0.5, "decided by the rule at the largest sample size (sign) at n = 40"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_verdict_says_how_the_run_ended(ending: str, tmp_path: Path, h1_run: Run) -> None:
    parts, p, words = ENDINGS[ending]
    run = decided(definition(**parts), records([[x] for x in bits(p, 2500)]))
    read = json.loads((run.published(tmp_path, ("json",)) / "experiment.json").read_bytes())
    assert words in read["verdict"]
    assert read["verdict"].endswith(f"n = {run.decision.n}.") or "without crossing" in read["verdict"]
