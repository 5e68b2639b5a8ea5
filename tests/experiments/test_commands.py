import json

import pytest

from schemas import codecs, events
from tests.experiments.story import PARTITIONS, Story, definition


def test_define_then_start_opens_run_one() -> None:
    story = Story()
    message = story.command("define", experiment=definition()).message
    assert message.startswith("defined; planned: boundaries -2.9857 and 4.5539 nats; achieved alpha ")
    assert "mean n " in message
    assert story.command("start").message == "started"

    assert story.names() == ["defined", "started"]
    assert story.experiment.cold.run == 1


def test_versions_grow_by_one_with_each_event() -> None:
    story = Story()
    story.run()
    story.command("pause")
    story.command("resume")
    story.command("stop", reason="instrument fault")
    story.command("start")
    facts = [event for event in story.control if isinstance(event, events.Lifecycle)]

    assert list(range(1, 7)) == [fact.version for fact in facts]
    assert len({fact.id for fact in facts}) == len(facts)


def test_a_repeated_id_gets_the_first_answer_again_and_changes_nothing() -> None:
    story = Story()
    story.run()
    first = story.command("stop", id="once")
    again = story.command("stop", id="once")

    assert (first.status, again.status) == ("accepted", "duplicate")
    assert (first.code, first.message, first.version) == (again.code, again.message, again.version)
    assert story.names().count("decision") == 1


def test_a_command_in_the_wrong_state_is_told_what_is_allowed() -> None:
    story = Story()
    story.run()
    reply = story.command("resume")

    assert (reply.status, reply.code) == ("rejected", "not_allowed")
    allowed = "pause, stop, cancel, hold, release, unblind, source_done, source_failed"
    assert reply.message == f"resume: not allowed while RUNNING; allowed: {allowed}"


def test_a_command_for_an_unknown_experiment_leaves_no_state() -> None:
    story = Story()
    reply = story.command("start")

    assert (reply.status, reply.code, reply.version) == ("rejected", "unknown_experiment", 0)
    assert not story.memory.experiments


def test_an_expired_command_is_rejected() -> None:
    story = Story()
    story.run()

    assert story.command("stop", expires_at="2020-01-01T00:00:00Z").code == "expired"


def test_a_command_that_expects_another_version_is_rejected_with_the_version() -> None:
    story = Story()
    story.run()
    reply = story.command("stop", expected_version=1)

    assert (reply.code, reply.version) == ("version_conflict", 2)
    assert story.command("stop", expected_version=2).status == "accepted"


def test_a_definition_is_refused_with_every_problem_at_once() -> None:
    story = Story()
    broken = definition(
        model={"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 1.5}},
        errors={"alpha": 2, "thresholds": "wald"},
        colour="red",
    )
    reply = story.command("define", experiment=broken)

    assert reply.code == "invalid_definition"
    for words in (
        "model.h1.p: given 1.5",
        "errors.alpha: given 2",
        "colour: given 'red'; unknown field; allowed: blinded, errors",
    ):
        assert words in reply.message


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        (b'{"type":"stop","id":"a","experiment_id":"rng-bias","colour":1}', "malformed", "unknown field `colour`"),
        (b'{"type":"define","id":"a","experiment_id":"rng-bias"}', "malformed", "missing required field `experiment`"),
        (b'{"type":"explode","id":"a","experiment_id":"rng-bias"}', "unknown_command", "allowed: define, run, start"),
        (b'{"type":"stop","id":"a","experiment_id":"rng-bias","expires_at":"tomorrow"}', "malformed", "$.expires_at"),
        (
            b'{"type":"stop","id":"a","experiment_id":"rng-bias","expires_at":"2026-01-01T00:00:00"}',
            "malformed",
            "zone",
        ),
    ],
)
def test_a_malformed_command_gets_one_reply_that_names_the_field(value: bytes, code: str, words: str) -> None:
    story = Story()
    story.run()
    (reply,) = story.control_bytes(value).control

    assert isinstance(reply, events.Reply)
    assert ("rejected", code) == (reply.status, reply.code)
    assert words in reply.message


@pytest.mark.parametrize(
    "value",
    [b"", b"hello", b"{}", b'{"type":"stop"}', b'{"type":"stop","id":7,"experiment_id":"a"}', b"\xc3\x01abcdefgh",
     b'{"type":"stop","id":"a","experiment_id":"../x"}', b'{"type":"stop","id":"","experiment_id":"a"}'],
)  # fmt: skip
def test_bytes_that_are_no_command_are_rejected_without_a_reply(value: bytes) -> None:
    emissions = Story().control_bytes(value)

    assert [record.reason for record in emissions.rejected] == ["not_a_command"]
    assert emissions.control == ()


def test_a_definition_for_another_id_is_rejected() -> None:
    reply = Story().command("define", experiment=definition(id="another"))

    assert (
        reply.code,
        reply.message,
    ) == ("malformed", "experiment.id: 'another'; allowed: the experiment_id 'rng-bias'")


def test_our_own_replies_and_events_are_passed_over() -> None:
    story = Story()
    story.run()
    emissions = story.control_bytes(*(codecs.encode_json(event) for event in story.control))

    assert (emissions.control, emissions.rejected, emissions.forwarded) == ((), (), ())


def test_a_command_of_another_partition_is_forwarded_unread() -> None:
    story = Story()
    other = next(f"e{k}" for k in range(99) if Story(f"e{k}").partition != story.partition)
    value = json.dumps({"type": "start", "id": "x", "experiment_id": other}).encode()
    (forwarded,) = story.control_bytes(value).forwarded

    assert Story(other).partition == forwarded.partition < PARTITIONS
    assert not story.control


def test_a_second_definition_before_the_start_is_the_next_revision() -> None:
    story = Story()
    story.command("define", experiment=definition())
    story.command("define", experiment=definition(title="Better named"))

    assert (
        story.experiment.cold.definition_revision,
        story.experiment.cold.definition["title"],
    ) == (2, "Better named")


def test_the_archived_event_follows_the_archive_once() -> None:
    story = Story()
    story.run()
    story.command("stop")
    story.archive(story.decision)
    story.archive(story.decision)

    assert story.names() == ["defined", "started", "decision", "archived"]
    assert story.command("start").status == "accepted"


def test_cancel_ends_the_live_run_by_hand() -> None:
    story = Story()
    story.run()
    story.command("cancel", reason="budget cut")

    assert story.names() == ["defined", "started", "decision", "cancelled"]
    assert (
        story.decision.reason,
        story.decision.outcome,
        story.decision.comment,
    ) == ("manual", "inconclusive", "budget cut")
    assert story.command("start").code == "not_allowed"


def test_a_blinded_run_is_unblinded_once_and_with_a_reason() -> None:
    story = Story()
    story.run(blinded=True)
    assert story.command("unblind").message.startswith("reason: given nothing")
    reply = story.command("unblind", actor="ana", reason="the instrument broke")
    again = story.command("unblind", reason="once more")

    (told,) = [event for event in story.control if isinstance(event, events.Unblinded)]
    assert (told.actor, told.reason, told.version) == ("ana", "the instrument broke", reply.version)
    assert (reply.status, again.status, again.code) == ("accepted", "rejected", "not_allowed")
    assert story.experiment.cold.is_unblinded
    story.command("stop")
    story.command("start")
    assert not story.experiment.cold.is_unblinded


def test_a_run_that_is_not_blinded_cannot_be_unblinded() -> None:
    story = Story()
    story.run()

    assert "allowed: for blinded experiments" in story.command("unblind", reason="to see").message


def test_an_archive_can_be_asked_for_once_a_run_is_over() -> None:
    story = Story()
    story.run()
    assert story.command("archive").code == "not_allowed"
    story.command("stop")

    assert story.command("archive").status == "accepted"
