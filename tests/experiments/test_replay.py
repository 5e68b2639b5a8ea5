"""A replica of a run makes the published decision, whatever came between."""

from experiments.columns import RawRecord, observation_batch
from experiments.replay import Replica, differences
from schemas import events
from tests.experiments.story import BEGIN, Story


def test_records_after_the_stop_of_a_held_verdict_do_not_count() -> None:
    story = Story()
    story.run()
    story.command("hold")
    crossing = story.raw(values=[1.0] * 60)
    story.records([crossing, crossing])
    story.command("stop")
    story.records([crossing])
    defined, *run = [event for event in story.control if isinstance(event, events.Lifecycle)]
    assert isinstance(defined, events.Defined)
    replica = Replica(defined, run)
    records = [RawRecord(at, BEGIN, None, crossing) for at in range(3)]
    for _ in replica.feed(observation_batch(story.partition, 0, 3, records)):
        pass

    assert story.decision.counts == {"applied": 1, "after_stop": 1}
    assert differences(story.decision, replica.conclude()) == ()
