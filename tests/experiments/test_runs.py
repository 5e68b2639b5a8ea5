import math
import random

import pytest

import sprt
from experiments.batch import Result
from schemas import events
from schemas.metrics import REJECTED
from tests.experiments.story import BEGIN, SECOND, Story, definition


def test_a_run_stops_at_the_exact_observation_inside_a_record() -> None:
    story = Story()
    story.run()
    upper = math.log(0.95 / 0.01)
    needed = math.ceil(upper / math.log(0.6 / 0.5))
    story.observe(*[1.0] * 10)
    emissions = story.observe(*[1.0] * 1000)

    decision = story.decision
    assert ("accept_h1", "boundary_upper", needed) == (decision.outcome, decision.reason, decision.n)
    assert (1, needed - 11) == (decision.offset, decision.index)
    assert decision.counts == {"applied": 2}
    assert emissions.results.tolist() == [Result.APPLIED]


def test_records_after_the_stop_are_counted_not_applied() -> None:
    story = Story()
    story.run()
    story.observe(*[0.0] * 100)
    story.observe(1.0)
    story.observe(0.0)

    assert (story.decision.outcome, story.decision.reason) == ("accept_h0", "boundary_lower")
    assert story.experiment.hot.counts["after_stop"] == 2
    assert story.decision.n == story.experiment.hot.statistic.n


def test_the_p_rule_accepts_h1_with_its_own_reason() -> None:
    story = Story()
    story.run(stop={"p_value": 0.01, "max_samples": 1000})
    story.observe(*[1.0] * 200)
    needed = math.ceil(math.log(100) / math.log(0.6 / 0.5) - 1e-9)

    assert ("accept_h1", "p_threshold", needed) == (story.decision.outcome, story.decision.reason, story.decision.n)
    assert story.decision.p_value <= 0.01


def test_the_sample_limit_ends_a_run_as_inconclusive() -> None:
    story = Story()
    story.run(stop={"max_samples": 7})
    story.observe(*[1.0, 0.0] * 10)

    assert (story.decision.outcome, story.decision.reason, story.decision.n) == ("inconclusive", "max_samples", 7)


def test_pause_and_resume_leave_out_exactly_the_observations_in_between() -> None:
    story = Story()
    story.run()
    story.observe(1.0)
    story.command("pause")
    story.observe(0.0)
    story.observe(0.0)
    story.command("resume")
    story.observe(1.0)

    assert (story.experiment.hot.statistic.n, story.experiment.hot.total) == (2, 2.0)
    assert dict(story.experiment.hot.counts) == {"applied": 2, "while_paused": 2}


def test_records_before_the_start_are_counted_apart() -> None:
    story = Story()
    story.command("define", experiment=definition())
    story.observe(1.0)
    story.command("start")
    story.observe(1.0)

    assert dict(story.experiment.hot.all_counts()) == {"before_start": 1, "applied": 1}
    assert story.experiment.hot.statistic.n == 1


def test_the_clock_ends_a_run_at_its_deadline() -> None:
    story = Story()
    story.run(stop={"max_duration": "10s"})
    story.observe(1.0)
    story.wait(9.9)
    assert "decision" not in story.names()
    story.wait(0.1)

    assert (
        story.decision.outcome,
        story.decision.reason,
        story.decision.n,
        story.decision.index,
    ) == ("inconclusive", "timeout", 1, None)
    assert story.decision.offset == 1


def test_an_observation_made_after_the_deadline_is_not_applied_and_ends_the_run() -> None:
    story = Story()
    story.run(stop={"max_duration": "10s"})
    story.now += 11 * SECOND
    story.observe(1.0, observed_at=BEGIN + 9 * SECOND)
    story.observe(1.0, observed_at=BEGIN + 10 * SECOND + 1)

    assert (story.decision.reason, story.decision.n, story.decision.offset) == ("timeout", 1, 1)
    assert dict(story.experiment.hot.counts) == {"applied": 1, "after_stop": 1}


def test_a_crossing_in_the_backlog_comes_before_the_clock() -> None:
    story = Story()
    story.run(stop={"max_duration": "10s"})
    story.now += 3600 * SECOND  # the worker was away; the shell reads the log first, then the clock
    story.observe(*[1.0] * 100)
    story.wait(0)

    assert story.decision.reason == "boundary_upper"


def test_a_pause_extends_the_deadline() -> None:
    story = Story()
    story.run(stop={"max_duration": "10s"})
    story.command("pause")
    story.wait(60)
    assert "decision" not in story.names()
    story.command("resume")
    story.wait(9)
    assert "decision" not in story.names()
    story.wait(1)

    assert story.decision.reason == "timeout"


def test_a_stalled_run_fails_and_is_decided_once() -> None:
    story = Story()
    story.run(stop={"stall_timeout": "5s"})
    story.wait(4)
    story.observe(1.0)
    story.wait(4)
    story.wait(1)

    assert story.names() == ["defined", "started", "failed", "decision"]
    assert story.decision.reason == "stalled"


def test_the_end_of_a_source_decides_when_its_last_record_is_applied() -> None:
    story = Story()
    story.run()
    story.observe(1.0, source="s", sequence=0)
    story.command("source_done", source="s", last_sequence=1)
    assert "decision" not in story.names()
    story.records([story.raw(values=[0.0], source="s", sequence=1), story.raw(values=[1.0])])

    assert (story.decision.reason, story.decision.n, story.decision.offset) == ("source_exhausted", 2, 2)


def test_the_end_of_a_source_already_applied_decides_at_once() -> None:
    story = Story()
    story.run()
    story.observe(1.0, source="s", sequence=0)
    story.command("source_done", source="s", last_sequence=0)

    assert story.decision.reason == "source_exhausted"


def test_a_failed_source_fails_the_run() -> None:
    story = Story()
    story.run()
    story.command("source_failed", message="no such column: value")

    assert story.names() == ["defined", "started", "failed", "decision"]
    assert (story.decision.reason, story.decision.outcome) == ("failed", "inconclusive")


def test_a_sequence_seen_before_is_a_duplicate() -> None:
    story = Story()
    story.run()
    for sequence in (0, 1, 1, 3, 2, 3):
        story.observe(1.0, source="s", sequence=sequence)

    assert dict(story.experiment.hot.counts) == {"applied": 4, "duplicate": 2}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"values": [2.0]}, "value_not_allowed"),
        ({"values": [1.0, 0.5]}, "value_not_allowed"),
        ({"values": [1.0], "observed_at": BEGIN + 6 * SECOND}, "observed_in_future"),
        ({"values": [1.0], "source": "s", "sequence": 10}, "sequence_too_old"),
        ({"values": [1.0], "source": "one-too-many", "sequence": 10}, "too_many_sources"),
    ],
)
def test_a_record_that_cannot_be_applied_is_rejected_and_its_neighbours_are_not(
    fields: dict[str, object], reason: str
) -> None:
    story = Story()
    story.run(errors={"alpha": 1e-30, "beta": 1e-30, "thresholds": "wald"}, stop={"max_samples": 2000})
    story.observe(0.0, source="s", sequence=5000)
    if reason == "too_many_sources":
        story.records([story.raw(values=[k % 2], source=f"source-{k}", sequence=1) for k in range(999)])
    before = story.experiment.hot.statistic.n
    story.records([story.raw(values=[1.0]), story.raw(**fields), story.raw(values=[1.0])])

    (rejected,) = story.rejected
    assert (reason, story.id) == (rejected.reason, rejected.experiment_id)
    assert reason in REJECTED
    assert before + 2 == story.experiment.hot.statistic.n


def test_records_of_unknown_experiments_are_rejected_and_leave_no_state() -> None:
    story = Story()
    story.observe(1.0)

    assert [record.reason for record in story.rejected] == ["unknown_experiment"]
    assert not story.memory.experiments


def test_a_key_that_is_not_the_experiment_is_rejected() -> None:
    story = Story()
    story.run()
    story.records([story.raw(values=[1.0])], key=b"another")

    assert [record.reason for record in story.rejected] == ["key_mismatch"]


def test_a_record_of_another_partition_is_forwarded() -> None:
    story = Story()
    other = next(Story(f"e{k}") for k in range(99) if Story(f"e{k}").partition != story.partition)
    emissions = story.records([other.raw(values=[1.0])])

    assert [(0, other.partition, other.id)] == [(f.offset, f.partition, f.experiment_id) for f in emissions.forwarded]
    assert emissions.counts == {"forwarded": 1}


def test_every_record_read_is_counted_once() -> None:
    story = Story()
    story.run(stop={"max_samples": 40})
    rng = random.Random(7)
    values: list[bytes | None] = [b"junk", None, Story("someone-else").raw(values=[1.0])]
    values += [story.raw(values=[float(rng.random() < 0.5)], source="s", sequence=rng.randrange(60)) for _ in range(99)]
    story.records(values)

    assert len(values) == sum(story.memory.counts.values())
    assert sum(story.experiment.hot.counts.values()) == 99


def test_the_walk_is_published_observation_by_observation_at_first_and_thinned_later() -> None:
    story = Story()
    story.run(errors={"alpha": 1e-9, "beta": 1e-9, "thresholds": "wald"}, stop={"max_samples": 4000})
    rng = random.Random(3)
    values = [float(rng.random() < 0.55) for _ in range(3000)]
    for begin in range(0, 3000, 10):
        story.observe(*values[begin : begin + 10])
    llr = sprt.path(story.experiment.design, values)

    assert list(range(1, 101)) == [point.n for point in story.walks[:100]]
    assert len(story.walks) < 300
    assert [llr[point.n - 1] for point in story.walks] == [point.llr for point in story.walks]
    assert [sum(values[: point.n]) for point in story.walks] == [point.total for point in story.walks]


def test_a_new_run_begins_from_nothing() -> None:
    story = Story()
    story.run()
    story.observe(1.0, 1.0, source="s", sequence=9)
    story.command("stop")
    story.command("start")
    story.observe(0.0, source="s", sequence=1)

    assert (story.experiment.cold.run, story.experiment.hot.statistic.n, story.experiment.hot.total) == (2, 1, 0.0)
    assert [e.id for e in story.control if isinstance(e, events.Decision)] == ["rng-bias/1"]
