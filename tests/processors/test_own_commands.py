"""Commands on a topic of their own: carried over to the control topic, facts turned away, a flood held back."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from schemas import codecs, events
from tests.processors.installation import Installation, bernoulli, until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def installation(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(kafka, tmp_path_factory.mktemp("own"), has_own_commands=True)
    with made.working(command_rate=5.0):
        yield made
    made.close()


def test_what_is_observed_right_after_a_command_on_its_own_topic_counts(installation: Installation) -> None:
    given = bernoulli("own-topic")
    run = events.Run(id="own-run", experiment_id="own-topic", experiment=given, actor="ana")
    astray = 1 - installation.partition_of("own-topic")
    installation.send(
        installation.topics.commands, codecs.encode_json(run), None, installation.partition_of("own-topic")
    )
    installation.flush()
    installation.observe("own-topic", [1.0] * 40)
    installation.flush()
    decision = installation.decision("own-topic")
    stop = events.Stop(id="own-stop", experiment_id="own-topic")
    installation.send(installation.topics.commands, codecs.encode_json(stop), None, astray)
    installation.flush()

    assert (decision.reason, decision.n, decision.counts) == ("boundary_upper", 26, {"applied": 26})
    assert installation.reply("own-run").status == "accepted"
    assert installation.reply("own-stop").code == "not_allowed"
    (copy,) = installation.control(events.Run, experiment_id="own-topic")
    assert copy == run


def test_a_fact_on_the_topic_of_commands_is_rejected_and_told_to_nobody(installation: Installation) -> None:
    at = datetime(2026, 12, 1, tzinfo=UTC)
    forged = events.Cancelled(id="forged/1/1", experiment_id="forged", run=1, version=1, at=at)
    grant = events.SlotGranted(id="forged/1", experiment_id="forged", run=1, queue="lab", at=at)
    for fact in (forged, grant):
        installation.send(installation.topics.commands, codecs.encode_json(fact), "forged", 0)
    installation.flush()
    found = until(lambda: [it for it in installation.read(installation.topics.rejected) if it.key() == b"forged"][1:])

    assert dict(found[0].headers() or [])["__sprt.errors.reason"] == b"not_a_command"
    assert installation.control(events.Cancelled, events.SlotGranted, experiment_id="forged") == []


def test_a_flood_of_commands_is_answered_but_not_carried_out(installation: Installation) -> None:
    for number in range(150):
        run = events.Run(
            id=f"f{number}", experiment_id="flooded", experiment=bernoulli("flooded", max_samples=number + 1)
        )
        partition = installation.partition_of("flooded")
        installation.send(installation.topics.commands, codecs.encode_json(run), "flooded", partition)
    installation.flush()
    last = installation.reply("f149")
    codes = Counter(reply.code for reply in installation.control(events.Reply, experiment_id="flooded"))

    assert last.code == "rate_limited"
    assert sum(codes.values()) == 150
    assert 50 <= 150 - codes["rate_limited"] < 100  # ten seconds' worth, and what drains meanwhile
