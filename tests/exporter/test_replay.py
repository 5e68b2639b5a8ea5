"""An archive is told again: the same walk, the same decision, and a change in it is named."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exporter.replay import Replay, ReplayError


@pytest.fixture
def copy(h1_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(h1_folder, tmp_path / "1"))


def test_a_replay_gives_every_point_of_the_walk_and_the_same_decision(h1_folder: Path) -> None:
    replay = Replay(h1_folder)
    told = list(replay.stretches())
    table = pd.read_parquet(h1_folder / "observations.parquet").query("status == 'applied'")

    assert np.concatenate([stretch.n for stretch in told]).tolist() == table["n"].tolist()
    assert np.concatenate([stretch.llr for stretch in told]).tolist() == table["llr"].tolist()
    decision = replay.decision()
    assert decision is not None
    assert (decision.n, decision.llr) == (134, table["llr"].iloc[-1])
    assert replay.differences() == ()


def test_a_changed_value_leads_to_another_decision_and_is_said(copy: Path) -> None:
    table = pq.read_table(copy / "observations.parquet")
    values = table["value"].to_pylist()
    values[-1] = 0.0
    place = table.schema.get_field_index("value")
    pq.write_table(
        table.set_column(place, table.schema.field("value"), pa.array(values)), copy / "observations.parquet"
    )
    replay = Replay(copy)
    for _ in replay.stretches():
        pass

    assert replay.differences() == ("the replica reaches no decision",)


@pytest.mark.parametrize("name", ["experiment.json", "observations.parquet"])
def test_a_folder_without_its_proof_is_refused_by_name(copy: Path, name: str) -> None:
    (copy / name).unlink()

    with pytest.raises(ReplayError, match=name):
        Replay(copy)
