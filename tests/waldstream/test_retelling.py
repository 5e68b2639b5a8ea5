"""`waldstream replay` as its user sees it: the walk between its lines, the verdict, and the exit code."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.exporter.runs import Run, bits, decided, definition, records
from tests.waldstream.installation import environment, run_waldstream
from waldstream.drawing import Canvas


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run: Run = decided(definition(), records([[x] for x in bits(0.62, 1500)]))
    return run.published(tmp_path_factory.mktemp("archives"), ("csv",))


def test_the_walk_is_drawn_between_its_lines_with_the_verdict(archive: Path, tmp_path: Path) -> None:
    result = run_waldstream(("replay", str(archive)), environment(tmp_path))

    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "rng-bias, run 1"
    (upper,) = (number for number, line in enumerate(lines) if line.startswith("    4.55 "))
    (lower,) = (number for number, line in enumerate(lines) if line.startswith("   -2.99 "))
    assert upper < lower
    assert all(any("\u2800" < character <= "\u28ff" for character in line[9:]) for line in lines[upper + 1 : upper + 8])
    assert "n = 134" in result.stdout
    assert lines[-1].startswith("replayed: rng-bias run 1: H1 (p = 0.6) accepted against H0 (p = 0.5)")


def test_another_decision_is_code_1_with_what_differs(archive: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(archive, tmp_path / "1")
    read = json.loads((copy / "experiment.json").read_bytes())
    read["timeline"][-1]["event"]["n"] = 133
    (copy / "experiment.json").write_text(json.dumps(read), "utf-8")
    result = run_waldstream(("replay", str(copy), "--json"), environment(tmp_path))

    assert result.returncode == 1
    assert json.loads(result.stdout)["differences"] == ["n: published 133, replica 134"]
    assert "the replay comes to another result" in result.stderr


def test_a_canvas_draws_a_rising_line_from_corner_to_corner() -> None:
    canvas = Canvas((49, 12), 3, (0.0, 3.0), [])
    canvas.add(np.array([1, 2, 3]), np.array([1.0, 2.0, 3.0]))
    rows = canvas.picture().plain.splitlines()[1:-1]
    places = [next(at for at, it in enumerate(row[9:]) if it > "\u2800") for row in rows]

    assert places == sorted(places, reverse=True)
    assert places[-1] == 0
    assert rows[0][-1] > "\u2800"
