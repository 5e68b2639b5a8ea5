"""What observations, commands and definitions may hold: the limits, each told in words, and rows that stay small."""

import json
from typing import Any

import pytest

from experiments.batch import Emissions
from experiments.columns import RawRecord, queue_batch
from experiments.experiment import State
from experiments.planning import plan
from experiments.rows import load, to_rows
from schemas import codecs, events
from tests.experiments.story import PARTITIONS, Story, definition

_LARGEST_REPLY = 8_192
_MEGABYTE = "x" * 1_000_000
_TWO_ARMS = {"family": "two_arm_normal", "h0": {"difference": 0.0}, "h1": {"difference": 1.0}, "sd": 1.0}
_PAIRS = {"family": "paired_bernoulli", "h0": {"odds_ratio": 1.0}, "h1": {"odds_ratio": 2.0}}


@pytest.mark.parametrize("model", [_TWO_ARMS, _PAIRS])
def test_an_observation_without_its_arm_is_rejected_in_words(model: dict[str, object]) -> None:
    story = Story()
    story.run(model=model, stop={"max_samples": 20})
    emissions = story.observe(1.0)

    assert emissions.counts == {"rejected": 1}
    assert story.rejected[0].message == f"arm: none given; allowed for {model['family']}: a, b"
    assert story.experiment.cold.state is State.RUNNING


def test_observations_that_would_wait_without_end_for_a_partner_are_rejected() -> None:
    story = Story()
    story.run(model=_PAIRS, stop={"max_samples": 20})
    story.records([story.raw(values=[1.0] * 5_000, arm="a") for _ in range(3)])
    story.observe(1.0, arm="a")
    assert dict(story.experiment.hot.counts) == {"applied": 2, "rejected": 2}
    story.observe(1.0, arm="b")
    story.observe(1.0, arm="a")

    assert dict(story.experiment.hot.counts) == {"applied": 4, "rejected": 2}
    assert "more than 10000 would wait" in story.rejected[0].message


def test_a_source_that_ended_during_a_pause_ends_the_run_when_it_resumes() -> None:
    story = Story()
    story.run()
    story.observe(1.0, source="s", sequence=0)
    story.command("pause")
    story.command("source_done", source="s", last_sequence=1)
    story.observe(0.0, source="s", sequence=1)
    assert story.experiment.cold.state is State.PAUSED
    story.command("resume")

    assert (story.decision.reason, story.decision.n, story.decision.offset) == ("source_exhausted", 1, 2)


def test_a_value_that_could_not_be_sent_on_is_rejected_by_its_size_alone() -> None:
    story = Story()
    story.run()
    padded = story.raw(values=[1.0]).ljust(1_044_480)
    story.records([padded, padded + b" ", story.raw(values=[0.0])])

    assert dict(story.experiment.hot.counts) == {"applied": 2}
    assert [it.reason for it in story.rejected] == ["too_large"]
    assert story.rejected[0].message == "value: 1044481 bytes; allowed: at most 1044480"


@pytest.mark.parametrize("field", ["reason", "actor"])
def test_a_command_of_a_megabyte_is_refused_in_a_few_words(field: str) -> None:
    story = Story()
    story.run()
    reply = story.command("stop", **{field: _MEGABYTE})

    assert (reply.code, reply.message.partition(";")[0]) == ("malformed", f"{field}: 1000000 characters")
    assert story.experiment.cold.state is State.RUNNING


def test_a_definition_of_a_megabyte_is_answered_with_the_first_problems_and_their_number() -> None:
    reply = Story().command("define", experiment=definition(**{f"field{k}": k for k in range(50_000)}))

    assert reply.code == "invalid_definition"
    assert "further problems; shown are the first 20" in reply.message
    assert len(codecs.encode_json(reply)) < _LARGEST_REPLY


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"source": {"kind": "simulate", "theta": 0.5, "seed": 2**53}}, "source.seed"),
        ({"schedule": {"start_at": "0001-01-01T00:00:00+14:00"}}, "schedule.start_at"),
        ({"schedule": {"every": "1h", "until": "9999-12-31T23:59:59-12:00"}}, "schedule.until"),
        ({"schedule": {"every": "1ms"}}, "schedule"),
        ({"schedule": {"cron": "0 9 * * 1", "timezone": "x" * 101}}, "schedule.timezone"),
        ({"retry": {"on": ["stalled"] * 3}}, "retry.on"),
        ({"export": {"formats": ["csv"] * 6}}, "export.formats"),
        ({"stop": {"max_duration": "9" * 4_000 + "d"}}, "stop.max_duration"),
        ({"title": "\u202egnp.exe"}, "title"),
        ({"tags": ["\x1b[2J"]}, "tags.0"),
    ],
)
def test_a_definition_that_would_harm_is_refused_by_its_field(part: dict[str, Any], field: str) -> None:
    refusal = plan(definition(**part))

    assert getattr(refusal, "message", "").startswith(f"{field}: given ")


def test_a_repeated_command_gets_its_answer_again_however_long_it_was() -> None:
    story = Story()
    story.run()
    refused = story.command("define", id="once", experiment=definition(id="other"))
    again = story.command("define", id="once", experiment=definition(id="other"))

    assert (again.status, again.code, again.message) == ("duplicate", refused.code, refused.message)


def test_a_thousand_sources_with_gaps_fit_into_a_row_and_come_back() -> None:
    story = Story()
    story.run(stop={"max_samples": 100_000}, errors={"alpha": 1e-40, "beta": 1e-40, "thresholds": "wald"})
    cold = to_rows(story.memory, Emissions(cold=("rng-bias",)))
    values = []
    for at in range(1_000):
        name = f"{at:04d}" + "😀" * 124
        values += [story.raw(values=[1.0, 0.0], source=name, sequence=2**62 + more) for more in (0, 1_025)]
    emissions = story.records(values)
    rows = to_rows(story.memory, emissions)

    assert emissions.counts == {"applied": 2_000}
    assert max(len(row) for _, row in rows) < 4 * 1024 * 1024  # what the state topic takes
    assert load(story.partition, PARTITIONS, [*cold, *rows]) == story.memory


@pytest.mark.parametrize(
    "told",
    [
        {"type": "slot_limit", "queue": "lab", "limit": 2**64 - 1},
        {"type": "slot_limit", "queue": "../lab", "limit": 1},
        {"type": "slot_request", "id": "e/1", "queue": "lab", "experiment_id": "f", "run": 1, "priority": 0},
        {"type": "slot_request", "id": "e/1", "queue": "lab", "experiment_id": "e", "run": 1, "priority": 2**63},
        {"type": "slot_request", "id": "e/" + "9" * 30, "queue": "lab", "experiment_id": "e", "run": 1, "priority": 0},
        {"type": "slot_release", "id": _MEGABYTE, "queue": "lab"},
        {"type": "slot_granted", "queue": "lab"},
    ],
)
def test_what_is_told_of_a_queue_is_bounded(told: dict[str, Any]) -> None:
    value = json.dumps({"at": "2026-12-01T09:00:00Z", **told} if told["type"] != "slot_limit" else told).encode()
    batch = queue_batch(0, 0, 1, [RawRecord(0, 0, None, value)])

    assert (len(batch.records), [it.reason for it in batch.undecodable]) == (0, ["not_a_command"])
    assert len(batch.undecodable[0].message) < 1_000


def test_a_hot_row_of_the_first_version_is_read() -> None:
    story = Story()
    story.run()
    story.observe(1.0, source="s", sequence=5)
    story.observe(1.0, source="s", sequence=9)
    emissions = story.observe(1.0, source="s", sequence=8)
    rows = dict(to_rows(story.memory, emissions))
    key = b"rng-bias\x00hot"
    new = codecs.decode(rows[key], events.HotRow)
    (source,) = new.sources
    assert source.missing == [2, 3]
    old = {**{name: getattr(new, name) for name in new.__struct_fields__}, "row_version": 1}
    old["sources"] = [events.SourceRow(source="s", lowest=5, highest=9, missing=[6, 7], lost=0)]
    cold = to_rows(story.memory, story.control_bytes(story.raw(type="hold", id="h")))
    memory = load(story.partition, PARTITIONS, [*cold, (key, codecs.encode_avro(events.HotRow(**old)))])

    assert memory.experiments["rng-bias"].hot == story.experiment.hot


def test_a_cold_row_as_it_was_written_before_pauses_were_kept_is_read() -> None:
    story = Story()
    story.run(stop={"max_duration": "1h"})
    held = story.control_bytes(story.raw(type="hold", id="h"))
    ((key, row), *_) = to_rows(story.memory, held)
    new = codecs.decode(row, events.ColdRow)
    body = json.loads(new.body)
    assert body.pop("pauses") == []
    for name in ("started_at", "deadline", "schedule_anchor"):
        body[name] = body[name].replace("Z", "+00:00")  # the same time, as it was spelled
    old = events.ColdRow(row_version=1, experiment_id=new.experiment_id, body=json.dumps(body))
    memory = load(story.partition, PARTITIONS, [(key, codecs.encode_avro(old))])

    assert memory.experiments["rng-bias"].cold == story.experiment.cold
