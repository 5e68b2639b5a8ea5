"""The state topic compacted while it is written, and rows of other versions of the program."""

import random
from bisect import bisect_left
from collections.abc import Callable

import pytest

from experiments import rows
from experiments.rows import POSITION_KEY
from processors.failing import EXIT_CODE
from schemas import codecs, events
from tests.faults.oracle import assert_exact, by_partition
from tests.faults.scene import REPEATS, Scene, kill, one_in, stop
from tests.faults.test_records import configure
from tests.processors.installation import until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

Scenes = Callable[..., Scene]


def test_cold_recoveries_from_a_state_compacted_under_load_change_nothing(scene: Scenes) -> None:
    play = scene("14 state compacted all the while, worker killed", seed=51)
    installation, topic = play.installation, play.installation.topics.state
    compaction = {"min_compaction_lag_ms": "0", "min_cleanable_dirty_ratio": "0.001", "segment_ms": "500"}
    configure(installation.kafka, topic, **compaction)
    play.must_outlive_kills(100)
    eyes = installation.consumer()
    ends = sum(high for _, high in installation.bounds(eyes, topic).values())
    eyes.close()
    until(lambda: [1] if len(installation.read(topic)) < ends / 2 else [])  # it was compacted all the while


def test_rows_of_an_older_program_are_read_and_written_anew(scene: Scenes) -> None:
    lots = random.Random(52)
    repeats = one_in(2)
    older = ["tests.faults.bending:writing_rows_of_version_1"]
    play = scene("19 worker killed and upgraded over rows of version 1", seed=52, prepare=older)
    with play.running():
        for _ in range(repeats):
            old = play.start()
            play.grown(lots.randint(50, 300))
            kill(old)
        for _ in range(repeats):
            new = play.start(prepare=[])
            play.grown(lots.randint(50, 300))
            kill(new)
    play.must_be_exact(2 * repeats, play.start(prepare=[]))


def test_rows_of_a_newer_program_are_not_guessed(scene: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    play = scene("19 worker downgraded under rows of a later version: it ends, the later one goes on", seed=53)
    with play.running():
        later = play.start(prepare=["tests.faults.bending:writing_rows_of_the_future"])
        play.grown(200)
        kill(later)
        earlier = play.start()
        assert earlier.wait(60) == EXIT_CODE
        assert "has version 3; this program reads up to 2: upgrade it" in earlier.words()
        later = play.start(prepare=["tests.faults.bending:writing_rows_of_the_future"])
        play.grown(200)
    play.until_all_read()
    stop(later)
    monkeypatch.setattr(rows, "ROW_VERSION", rows.ROW_VERSION + 1)  # the judge is of the later program, too
    assert_exact(play.judged(1))


def test_every_position_ever_committed_agrees_with_the_records_counted(scene: Scenes) -> None:
    play = scene("20 positions against counts at every commit, worker killed", seed=54)
    installation = play.installation
    play.must_outlive_kills(100)
    log = by_partition(installation, installation.topics.observations)
    offsets = {partition: [it.offset() or 0 for it in messages] for partition, messages in log.items()}
    commits = [it for it in installation.read(installation.topics.state) if it.key() == POSITION_KEY]
    assert len(commits) > REPEATS
    for message in commits:
        row = codecs.decode(message.value(), events.PositionRow)
        # records before the position; markers of transactions that forwarded strays are offsets without one
        read = bisect_left(offsets[message.partition() or 0], row.positions.get("observations", 0))
        assert read == sum(row.counts.values())
