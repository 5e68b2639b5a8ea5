"""Whatever is changed in an archive, `verify` fails and says what, also where the hashes were made to agree."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from exporter import manifest
from exporter.verify import Verification, verify
from tests.exporter.runs import FORMATS, Run, bits, decided, definition, records

FILES = (
    "experiment.json", "manifest.json", "observations.csv", "observations.parquet", "references.bib",
    "report.pdf", "summary.csv", "summary.parquet", "table.tex", "walk.csv", "workbook.xlsx",
)  # fmt: skip


@pytest.fixture
def copy(h1_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(h1_folder, tmp_path / "1"))


def mended(folder: Path) -> None:
    """Make the manifest agree with the files, as a forger would."""
    read, _ = manifest.read(folder)
    files = {name: manifest.listed(folder / name) for name in read.files}
    (folder / manifest.NAME).write_bytes(manifest.encoded(manifest.Manifest(**{**_fields(read), "files": files})))


def _fields(read: manifest.Manifest) -> dict[str, Any]:
    return {name: getattr(read, name) for name in read.__struct_fields__}


def test_an_untouched_archive_verifies_with_its_digest(h1_folder: Path) -> None:
    _, digest = manifest.read(h1_folder)
    assert verify(h1_folder, digest) == Verification(True, (), verify(h1_folder).summary)
    assert "H1 (p = 0.6) accepted" in verify(str(h1_folder)).summary


def test_an_archive_has_exactly_the_files_of_its_formats(h1_folder: Path) -> None:
    assert tuple(sorted(path.name for path in h1_folder.iterdir())) == FILES


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_any_changed_byte_fails_and_names_the_file(copy: Path, name: str, place: float) -> None:
    _, digest = manifest.read(copy)
    data = bytearray((copy / name).read_bytes())
    at = min(int(place * len(data)), len(data) - 1)
    data[at] ^= 0x01
    (copy / name).write_bytes(data)
    found = verify(copy, digest)
    assert not found.ok
    assert any(reason.startswith(name) for reason in found.reasons), found.reasons


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    found = verify(copy)
    assert not found.ok
    assert any(name in reason and "missing" in reason for reason in found.reasons), found.reasons


def test_a_file_that_was_added_is_named(copy: Path) -> None:
    (copy / "notes.txt").write_text("harmless?")
    assert verify(copy).reasons == ("notes.txt: not in the manifest",)


def test_another_digest_than_the_published_one_fails(h1_folder: Path) -> None:
    found = verify(h1_folder, "0" * 64)
    assert not found.ok
    assert "the published one is 000" in found.reasons[0]


def test_a_folder_that_is_no_archive_fails_without_a_traceback(tmp_path: Path) -> None:
    assert verify(tmp_path).reasons == (
        "manifest.json: the file is missing",
        "experiment.json: the file is missing",
    )
    assert not verify(tmp_path / "absent").ok


Change = Callable[[pa.Table], pa.Table]


def _set(column: str, row: int, value: object) -> Change:
    def change(table: pa.Table) -> pa.Table:
        values = table.column(column).to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        index = table.schema.get_field_index(column)
        return table.set_column(index, table.schema.field(column), pa.array(values, table.schema.field(column).type))

    return change


def _without(row: int) -> Change:
    return lambda table: table.filter(pc.not_equal(pa.array(range(table.num_rows)), row))


def _swapped(table: pa.Table) -> pa.Table:
    order = list(range(table.num_rows))
    order[40], order[41] = order[41], order[40]
    return table.take(order)


TABLE_CHANGES: dict[str, tuple[Change, str]] = {
    "a value": (_set("value", 17, lambda x: 1.0 - x), "observations, row 17: llr"),
    "a value nothing allows": (_set("value", 17, 0.5), "observations, row 17: status"),
    "the last value": (_set("value", -1, 0.0), "decision: "),
    "a status": (_set("status", 5, "duplicate"), "observations, row 5: status is 'duplicate'"),
    "an llr by one unit in the last place": (_set("llr", 30, lambda x: x * (1 + 2.3e-16)), "observations, row 30: llr"),
    "an n": (_set("n", 9, 11), "observations, row 9: n is 11"),
    "a sequence": (_set("sequence", 50, 3), "observations, row 50: status"),
    "a partition": (_set("partition", 50, 1), "observations, row 50: partition"),
    "an index": (_set("index", 50, 1), "rows stand in log order"),
    "a row left out": (_without(60), "observations, row 60: n"),
    "the first row left out": (_without(0), "observations, row 0: n"),
    "the last row left out": (_without(133), "decision: "),
    "two rows swapped": (_swapped, "rows stand in log order"),
    "the order of the log": (lambda table: table.take(list(range(table.num_rows))[::-1]), "rows stand in log order"),
    "a column renamed": (lambda t: t.rename_columns(["N", *t.column_names[1:]]), "observations: the columns are N"),
    "no rows at all": (lambda table: table.slice(0, 0), "decision: "),
}  # fmt: skip


@pytest.mark.parametrize("change", TABLE_CHANGES)
def test_a_change_in_the_table_is_found_though_the_hashes_agree(copy: Path, change: str) -> None:
    alter, expected = TABLE_CHANGES[change]
    pq.write_table(alter(pq.read_table(copy / "observations.parquet")), copy / "observations.parquet")
    mended(copy)
    found = verify(copy)
    assert not found.ok
    assert not any("SHA-256" in reason for reason in found.reasons)
    assert any(expected in reason for reason in found.reasons), found.reasons


def _at(path: str, value: object) -> Callable[[Any], None]:
    def change(read: Any) -> None:
        *steps, last = [int(step) if step.lstrip("-").isdigit() else step for step in path.split(".")]
        for step in steps:
            read = read[step]
        read[last] = value(read[last]) if callable(value) else value

    return change


def _everywhere(name: str, factor: float) -> Callable[[Any], None]:
    """Change a threshold in every place where the document has it."""

    def change(read: Any) -> None:
        for part in (read["design"], read["decision"], read["numbers"], *(e["event"] for e in read["timeline"])):
            if name in part:
                part[name] *= factor

    return change


DOCUMENT_CHANGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "the decision's n": (_at("decision.n", 133), "decision: "),
    "the published n": (_at("timeline.-1.event.n", 133), "decision: n: published 133, replica 134"),
    "the outcome": (_at("timeline.-1.event.outcome", "accept_h0"), "decision: outcome"),
    "the reason": (_at("timeline.-1.event.reason", "p_threshold"), "decision: reason"),
    "the p-value": (_at("timeline.-1.event.p_value", 0.001), "decision: p_value"),
    "the offset": (_at("timeline.-1.event.offset", 1300), "decision: offset"),
    "the estimate": (_at("timeline.-1.event.estimate.naive", 0.7), "decision: estimate"),
    "a threshold in the definition's event": (_at("timeline.1.event.upper", 4.0), "upper threshold"),
    "the lower threshold in the design": (_at("design.lower", -3.5), "design: "),
    "the upper threshold everywhere": (_everywhere("upper", 0.8), "decision: n"),
    "alpha in the definition": (_at("definition.errors.alpha", 0.05), "definition: "),
    "alpha where it was defined": (_at("timeline.1.event.definition.errors.alpha", 0.05), "design digest"),
    "the title where it was defined": (_at("timeline.1.event.definition.title", "Other"), "definition digest"),
    "the verdict": (_at("verdict", "H0 accepted"), "verdict: "),
    "a number": (_at("numbers.llr", 4.7), "numbers: "),
    "a count": (_at("counts.applied", 135), "counts: "),
    "an estimate": (_at("estimates.naive", 0.6), "estimates: "),
    "the offsets": (_at("offsets.last", 1400), "offsets: "),
    "the run": (_at("run", 2), "run: "),
    "the rows": (_at("observations.rows", 10), "observations: "),
    "the start": (_at("timeline.3.event.offset", 1201), "offsets: "),
    "the format": (_at("format", "waldstream.archive/9"), "format is"),
    "the order of the timeline": (_at("timeline", lambda t: [t[1], t[0], *t[2:]]), "its records are not in log order"),
    "the decision left out": (_at("timeline", lambda t: t[:-1]), "timeline: it ends in Started"),
    "the definition left out": (_at("timeline", lambda t: t[2:]), "timeline: no definition"),
}  # fmt: skip


@pytest.mark.parametrize("change", DOCUMENT_CHANGES)
def test_a_change_in_the_document_is_found_though_the_hashes_agree(copy: Path, change: str) -> None:
    alter, expected = DOCUMENT_CHANGES[change]
    read = json.loads((copy / "experiment.json").read_bytes())
    alter(read)
    (copy / "experiment.json").write_text(json.dumps(read))
    mended(copy)
    found = verify(copy)
    assert not found.ok
    assert any(expected in reason for reason in found.reasons), found.reasons


@pytest.mark.parametrize("name", ["observations.csv", "walk.csv", "summary.csv", "table.tex", "references.bib"])
def test_a_changed_cell_of_a_text_file_is_found_though_the_hashes_agree(copy: Path, name: str) -> None:
    lines = (copy / name).read_bytes().split(b"\n")
    lines[20] = lines[20][:-2] + b"2" + lines[20][-1:]
    (copy / name).write_bytes(b"\n".join(lines))
    mended(copy)
    assert verify(copy).reasons == (f"{name}: line 21 is not that of the archive",)


def test_a_changed_number_of_the_parquet_summary_is_found_though_the_hashes_agree(copy: Path) -> None:
    table = pq.read_table(copy / "summary.parquet")
    numbers = [2 * value if value is not None else None for value in table["value"].to_pylist()]
    pq.write_table(table.set_column(2, table.schema.field("value"), [numbers]), copy / "summary.parquet")
    mended(copy)
    assert verify(copy).reasons == ("summary.parquet: not the numbers of the archive",)


def test_a_manifest_of_another_run_is_found(copy: Path) -> None:
    read, _ = manifest.read(copy)
    (copy / manifest.NAME).write_bytes(manifest.encoded(manifest.Manifest(**{**_fields(read), "run": 2})))
    assert verify(copy).reasons == ("run: 1 in experiment.json, 2 in the manifest",)


def batches_run() -> Run:
    values = bits(0.62, 1500)
    return decided(definition(), records([values[begin : begin + 7] for begin in range(0, 1500, 7)]))


def duplicates_run() -> Run:
    read = records([[x] for x in bits(0.62, 800)])
    again = [read[5], read[9], *read]
    return decided(definition(), [r._replace(offset=500 + 2 * place) for place, r in enumerate(again)])


def rejected_run() -> Run:
    """Values outside the support, records that cannot be read, observations from the future."""
    read = records([[x] for x in bits(0.4, 800)])
    wild = read[3]._replace(value=b'{"experiment_id": "rng-bias", "values": [0.5, 1.0]}')
    torn = read[8]._replace(value=b"{")
    future = read[12]._replace(timestamp=read[12].timestamp - 10_000_000)
    return decided(definition(), [*read[:3], wild, *read[4:8], torn, *read[9:12], future, *read[13:]])


def nothing_given_run() -> Run:
    """No source, no sequence, no time of observation."""
    return decided(definition(), records([[x] for x in bits(0.5, 1500)], source=None, sequence=None, observed_at=None))


@pytest.mark.parametrize("make", [batches_run, duplicates_run, rejected_run, nothing_given_run])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_archives_of_awkward_runs_verify_however_their_records_were_read(
    make: Callable[[], Run], size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make()
    archive = run.archive(tmp_path, size)
    assert archive.dispute is None
    monkeypatch.setattr("exporter.observations.CHUNK_ROWS", 5 if size == 7 else 131_072)
    folder = run.published(tmp_path / "archives", FORMATS[:1])
    assert verify(folder).reasons == ()


def test_how_the_records_were_read_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.observations.CHUNK_ROWS", 64)
    run, tables = batches_run(), set[bytes]()
    for size in (1, 7, 10_000):
        tables.add(run.archive(tmp_path, size).observations.path.read_bytes())
    assert len(tables) == 1
