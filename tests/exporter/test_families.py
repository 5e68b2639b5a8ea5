"""Archives of the other families: the numbers are those of the family, and the archive proves itself."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from exporter.verify import verify
from tests.exporter.families import MODELS, family_run

QUICK = ("normal-two-sided", "poisson", "two-arm-normal", "student-t-two-sample", "multinomial")


def made(name: str, folder: Path, **changes: Any) -> tuple[dict[str, Any], pd.DataFrame, Path]:
    archive = family_run(name, **changes).published(folder, ("csv", "pdf"))
    table = pd.read_parquet(archive / "observations.parquet").query("status == 'applied'")
    return json.loads((archive / "experiment.json").read_bytes()), table, archive


def estimate_of(name: str, table: pd.DataFrame) -> float:
    """Return the maximum-likelihood estimate by its textbook formula."""
    x = table["value"]
    if name in ("two-arm-normal", "student-t-two-sample"):
        a, b = x[table["arm"] == "a"], x[table["arm"] == "b"]
        spread = 1.0
        if name.startswith("student"):
            squares = ((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()
            spread = math.sqrt(squares / (len(a) + len(b) - 2))
        return float((b.mean() - a.mean()) / spread)
    if name == "multinomial":
        score = x.mean() / 2
        return 400 * math.log10(score / (1 - score))
    return float(x.mean())


@pytest.mark.parametrize("name", QUICK)
def test_the_naive_estimate_is_that_of_the_family_in_the_decision_and_everywhere(name: str, tmp_path: Path) -> None:
    read, table, archive = made(name, tmp_path)

    wanted = pytest.approx(estimate_of(name, table), rel=1e-9)
    assert read["decision"]["estimate"]["naive"] == wanted
    assert read["numbers"]["naive_estimate"] == wanted
    half = read["decision"]["n"] // 2
    assert read["numbers"]["naive_first_half"] == pytest.approx(estimate_of(name, table[table["n"] <= half]), rel=1e-9)
    assert read["numbers"]["naive_second_half"] == pytest.approx(estimate_of(name, table[table["n"] > half]), rel=1e-9)
    assert verify(archive).reasons == ()


@pytest.mark.faults
@pytest.mark.parametrize("name", sorted(set(MODELS) - set(QUICK)))
def test_every_family_has_an_archive_that_proves_itself(name: str, tmp_path: Path) -> None:
    read, _, archive = made(name, tmp_path)

    assert read["decision"]["n"] > 0
    assert verify(archive).reasons == ()
