"""How a run ends: its decision, or the verdict withheld; after a failure perhaps another try."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from experiments import durations, facts, health
from experiments.experiment import Experiment
from experiments.facts import Moment
from schemas import events

Ending = tuple[Experiment, list[events.Lifecycle]]


def conclude(experiment: Experiment, decided: facts.Maker, now: Moment) -> Ending:
    """Return the experiment after a verdict of the statistics or the clock: decided, or held with the verdict kept."""
    decision = decided(experiment)
    assert isinstance(decision, events.Decision)  # noqa: S101 the maker of a decision makes nothing else
    if experiment.cold.is_held or health.must_hold(experiment, decision.health):
        return facts.follow(experiment, facts.held(now, decision.health, decision))
    return facts.follow(experiment, decided)


def fail(experiment: Experiment, message: str, reason: str, now: Moment, **why: Any) -> Ending:
    """Return the experiment after a failure: the failure, the run's one decision, perhaps another try."""
    end = (facts.failed(now, message, **why), facts.decided(now, reason, **why))
    return facts.follow(experiment, *end, *_another_try(experiment, reason, now))


def _another_try(experiment: Experiment, reason: str, now: Moment) -> Sequence[facts.Maker]:
    retry, attempt = experiment.cold.definition["retry"], experiment.cold.attempt
    if reason not in retry["on"] or attempt >= retry["max_attempts"]:
        return ()
    wait = durations.microseconds(retry["backoff"]) * retry["backoff_factor"] ** (attempt - 1)
    due = now.at + timedelta(microseconds=round(min(wait, _LONGEST_WAIT)))
    return (facts.retrying(now, due, attempt + 1, retry["max_attempts"]),)


_LONGEST_WAIT = durations.microseconds("30d")
