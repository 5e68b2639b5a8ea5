"""One worker on real Kafka: what goes in by the topics, and what comes out of them."""

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

import sprt
from schemas import codecs, events
from tests.processors.installation import Installation, bernoulli, headers, run_command, until

pytestmark = pytest.mark.stack


def coin(p: float, number: int, seed: int = 1) -> list[float]:
    toss = random.Random(seed)
    return [float(toss.random() < p) for _ in range(number)]


def expected_n(values: list[float], h1: float = 0.6) -> int:
    design = sprt.Design(sprt.Bernoulli(0.5, h1), 0.01, 0.01, thresholds="wald")
    _, crossing = sprt.fold(design, sprt.init(design), values)
    assert crossing is not None
    return crossing + 1


def test_define_start_and_observations_lead_to_the_decision_of_the_pure_test(installation: Installation) -> None:
    name, values = "define-start", coin(0.6, 600)
    installation.command(events.Define(id="d-1", experiment_id=name, experiment=bernoulli(name)))
    installation.command(events.Start(id="s-1", experiment_id=name, actor="ana"))
    assert installation.reply("d-1").status == "accepted"
    assert installation.reply("s-1").message == "started"
    installation.observe(name, values)
    installation.flush()
    decision = installation.decision(name)
    assert (decision.outcome, decision.reason, decision.n) == ("accept_h1", "boundary_upper", expected_n(values))
    kinds = [type(event) for event in installation.control(*events.LIFECYCLE, experiment_id=name)]
    assert kinds == [events.Defined, events.Started, events.Decision]


def test_observations_sent_right_behind_the_start_all_count(installation: Installation) -> None:
    for attempt in range(5):
        name, values = f"at-once-{attempt}", coin(0.6, 400, seed=attempt)
        partition = installation.partition_of(name)
        run = run_command(name)
        installation.send(installation.topics.control, codecs.encode_json(run), name, partition)
        installation.observe(name, values)
        installation.flush()
        assert installation.decision(name).n == expected_n(values)
        assert "before_start" not in installation.decision(name).counts


def test_records_and_commands_without_key_on_any_partition_find_their_worker(installation: Installation) -> None:
    name, values = "strayed", coin(0.6, 400)
    wrong = 1 - installation.partition_of(name)
    topics = installation.topics
    installation.send(topics.control, codecs.encode_json(run_command(name)), None, wrong)
    installation.flush()
    assert installation.reply(f"run-{name}").status == "accepted"
    for value in values:
        event = events.Observation(experiment_id=name, values=[value])
        installation.send(topics.observations, codecs.encode_json(event), None, wrong, [("trace", b"42")])
    installation.flush()
    assert installation.decision(name).n == expected_n(values)
    arrived = [
        m
        for m in installation.read(topics.observations)
        if m.partition() != wrong and b'"experiment_id":"strayed"' in (m.value() or b"")
    ]
    assert len(arrived) == len(values)
    assert all(m.key() is None and m.headers() == [("trace", b"42")] for m in arrived)


def test_rejected_records_keep_their_bytes_and_say_why(installation: Installation) -> None:
    topics = installation.topics
    ok = codecs.encode_json(events.Observation(experiment_id="nobody", values=[1.0]))
    sent = [
        (b"\xff\xfe not an event", b"k-1", "malformed"),
        (None, b"k-2", "empty"),
        (ok, b"somebody-else", "key_mismatch"),
        (ok, b"nobody", "unknown_experiment"),
    ]
    partition = installation.partition_of("nobody")
    for value, key, _ in sent:
        installation.send(topics.observations, value, key.decode(), partition, [("mine", b"kept")])
    installation.send(topics.control, b"no command at all", "k-5", partition, [("mine", b"kept")])
    installation.flush()
    keys = {key for _, key, _ in sent} | {b"k-5"}

    def rejected() -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
        found = [m for m in installation.read(topics.rejected) if m.key() in keys]
        return [(m.value(), m.key(), headers(m)) for m in found] if len(found) >= 5 else []

    by_key = {key: (value, found) for value, key, found in until(rejected)}
    for value, key, reason in [*sent, (b"no command at all", b"k-5", "not_a_command")]:
        raw, found = by_key[key]
        assert raw == value
        assert found["mine"] == b"kept"
        assert found["__sprt.errors.reason"] == reason.encode()
        assert found["__sprt.errors.partition"] == str(partition).encode()
        wanted = {"topic", "offset", "timestamp", "message", "experiment_id", "schema", "attempt"}
        assert wanted <= {header.removeprefix("__sprt.errors.") for header in found}
    assert by_key[b"k-1"][1]["__sprt.errors.topic"] == topics.observations.encode()
    assert by_key[b"k-5"][1]["__sprt.errors.topic"] == topics.control.encode()


def test_a_record_sent_twice_counts_once(installation: Installation) -> None:
    name, values = "twice", coin(0.5, 30)
    installation.command(run_command(name))
    installation.observe(name, values)
    installation.observe(name, values)
    installation.flush()
    installation.wait_until_counted()
    walk = installation.memory(installation.partition_of(name)).experiments[name].hot
    assert dict(walk.counts) == {"applied": 30, "duplicate": 30}
    assert walk.statistic.n == 30


def test_observations_between_pause_and_resume_are_left_out(installation: Installation) -> None:
    name = "paused"
    installation.command(run_command(name))
    installation.observe(name, coin(0.5, 10))
    installation.flush()
    installation.wait_until_counted()
    installation.command(events.Pause(id="p-1", experiment_id=name))
    assert installation.reply("p-1").status == "accepted"
    installation.observe(name, coin(0.5, 10), 10)
    installation.flush()
    installation.wait_until_counted()
    installation.command(events.Resume(id="p-2", experiment_id=name))
    assert installation.reply("p-2").status == "accepted"  # what is sent in the same millisecond lies before it
    installation.observe(name, coin(0.5, 10), 20)
    installation.flush()
    installation.wait_until_counted()
    installation.command(events.Stop(id="p-3", experiment_id=name, reason="enough"))
    decision = installation.decision(name)
    assert (decision.reason, decision.comment, decision.n) == ("manual", "enough", 20)
    assert decision.counts == {"applied": 20, "while_paused": 10}


def test_the_clock_ends_a_run_at_its_deadline(installation: Installation) -> None:
    name = "by-clock"
    installation.command(run_command(name, max_duration="1s"))
    installation.observe(name, coin(0.5, 5))
    installation.flush()
    decision = installation.decision(name)
    assert (decision.outcome, decision.reason, decision.n) == ("inconclusive", "timeout", 5)
    assert decision.index is None


def test_an_observation_made_after_the_deadline_ends_the_run(installation: Installation) -> None:
    name = "by-observation"
    installation.command(run_command(name, max_duration="4s"))
    assert installation.reply(f"run-{name}").status == "accepted"
    now = time.time_ns() // 1000
    installation.observe(name, [1.0, 0.0], observed_at=now)
    # within the tolerance of clocks ahead of Kafka's, yet past the deadline
    installation.observe(name, [1.0], 2, observed_at=now + 4_500_000)
    installation.flush()
    decision = installation.decision(name)
    assert (decision.reason, decision.n) == ("timeout", 2)
    (started,) = installation.control(events.Started, experiment_id=name)
    assert started.deadline is not None
    assert decision.at < started.deadline


def test_each_command_gets_one_reply_and_a_repeated_id_the_first_answer_again(installation: Installation) -> None:
    name = "replies"
    installation.command(events.Start(id="r-0", experiment_id=name))
    installation.command(run_command(name))
    late = datetime.now(UTC) - timedelta(minutes=1)
    installation.command(events.Stop(id="r-1", experiment_id=name, expires_at=late))
    installation.command(events.Resume(id="r-2", experiment_id=name))
    installation.command(events.Stop(id="r-3", experiment_id=name))
    installation.command(events.Stop(id="r-3", experiment_id=name))
    until(lambda: [it for it in installation.control(events.Reply) if it.status == "duplicate"])
    replies = installation.control(events.Reply, experiment_id=name)
    assert [(it.command_id, it.status, it.code) for it in replies] == [
        ("r-0", "rejected", "unknown_experiment"),
        (f"run-{name}", "accepted", "ok"),
        ("r-1", "rejected", "expired"),
        ("r-2", "rejected", "not_allowed"),
        ("r-3", "accepted", "ok"),
        ("r-3", "duplicate", "ok"),
    ]


def test_a_definition_that_cannot_be_used_is_answered_with_every_problem(installation: Installation) -> None:
    wrong = bernoulli("wrong") | {"errors": {"alpha": 2, "beta": 0.01}, "model": {"family": "bernoulli"}}
    installation.command(events.Define(id="w-1", experiment_id="wrong", experiment=wrong))
    reply = installation.reply("w-1")
    assert (reply.status, reply.code) == ("rejected", "invalid_definition")
    assert "errors.alpha" in reply.message
    assert "h0" in reply.message


def test_every_record_that_was_read_is_counted_exactly_once(installation: Installation) -> None:
    counts = installation.wait_until_counted()
    assert sum(counts.values()) == len(installation.read(installation.topics.observations))


def test_events_carry_cloudevents_headers(installation: Installation) -> None:
    installation.command(events.Start(id="ce-1", experiment_id="nobody"))
    installation.reply("ce-1")
    replies = [m for m in installation.read(installation.topics.control) if b'"ce-1"' in (m.value() or b"")]
    found = headers(replies[-1])
    assert found["ce_type"] == b"waldstream.reply"
    assert found["ce_id"] == b"ce-1"
