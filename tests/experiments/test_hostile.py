"""Whatever is sent, each record has one fate: a reply, a result or a rejection; nothing raises and nothing grows."""

import pytest

from experiments.memory import State
from tests.experiments.story import Story

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
