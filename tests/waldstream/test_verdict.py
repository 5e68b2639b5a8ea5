"""The block of text that people copy: narrow, complete, and honest about its estimate."""

from schemas import events
from tests.experiments.story import Story
from waldstream.commands.verdict import block


def _decided(**parts: object) -> tuple[events.Defined, events.Decision]:
    story = Story()
    story.run(**parts)
    story.observe(*[1.0] * 60)
    (defined,) = [event for event in story.control if isinstance(event, events.Defined)]
    return defined, story.decision


def test_the_verdict_is_told_with_its_test_errors_boundaries_and_design() -> None:
    defined, decision = _decided(title="Is the coin fair?")
    text = block(defined, decision)

    for words in (
        "RUN      | rng-bias/1  Is the coin fair?",
        "VERDICT  | H1 ACCEPTED (boundary_upper) at n = 25",
        "TEST     | bernoulli, H1: p = 0.6 against H0: p = 0.5, greater",
        "ERRORS   | alpha = 0.01, beta = 0.05 (wald); achieved alpha 0.00",
        "LLR      | +4.5580 nats, boundaries -2.9857 to 4.5539",
        f"DESIGN   | sha256 {decision.design_digest[:32]}",
    ):
        assert words in text, text


def test_the_estimate_is_called_unadjusted_and_has_no_interval() -> None:
    (line,) = [line for line in block(*_decided()).splitlines() if line.startswith("ESTIMATE")]

    assert line.startswith("ESTIMATE | p = 1, maximum likelihood: NOT adjusted for the stop")
    assert not any(sign in line for sign in "[]()±")


def test_the_block_has_a_fixed_width_and_no_control_characters() -> None:
    text = block(*_decided(title="x" * 200, owner="ana"))

    assert max(map(len, text.splitlines())) == 78
    assert text.isascii()
