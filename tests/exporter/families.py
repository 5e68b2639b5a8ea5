"""One decided run of every family, one- and two-sided, with observations drawn from the model itself."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from experiments.definition import parse
from tests.exporter.runs import Run, decided, definition, observation, record, stamp

_WALD: Final = {"alpha": 0.02, "beta": 0.05, "thresholds": "wald"}

#: Name to model, true parameter, and what else its definition needs.
MODELS: Final[dict[str, tuple[dict[str, Any], float, dict[str, Any]]]] = {
    "bernoulli": ({"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}}, 0.6, {}),
    "bernoulli-less": ({"family": "bernoulli", "h0": {"p": 0.1}, "h1": {"p": 0.05}}, 0.05, {}),
    "bernoulli-two-sided": (
        {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}, "alternative": "two_sided"}, 0.4, {},
    ),
    "normal": ({"family": "normal", "h0": {"mean": 0.0}, "h1": {"mean": 0.4}, "sd": 1.0}, 0.4, {}),
    "normal-two-sided": (
        {"family": "normal", "h0": {"mean": 0.0}, "h1": {"mean": 0.4}, "sd": 1.0, "alternative": "two_sided"}, -0.4, {},
    ),
    "poisson": ({"family": "poisson", "h0": {"rate": 2.0}, "h1": {"rate": 2.5}}, 2.0, {}),
    "exponential": ({"family": "exponential", "h0": {"rate": 0.01}, "h1": {"rate": 0.015}}, 0.015, {}),
    "negative-binomial": (
        {"family": "negative_binomial", "h0": {"mean": 4.0}, "h1": {"mean": 5.0}, "dispersion": 3.0}, 5.0, {},
    ),
    "paired-bernoulli": ({"family": "paired_bernoulli", "h0": {"odds_ratio": 1.0}, "h1": {"odds_ratio": 2.0}}, 2.0, {}),
    "two-arm-normal": (
        {"family": "two_arm_normal", "h0": {"difference": 0.0}, "h1": {"difference": 0.5}, "sd": 1.0}, 0.5, {},
    ),
    "student-t": ({"family": "student_t", "h0": {"effect": 0.0}, "h1": {"effect": 1.0}, "samples": 1}, 1.0, {}),
    "student-t-two-sample": (
        {"family": "student_t", "h0": {"effect": 0.0}, "h1": {"effect": 1.5}, "samples": 2, "alternative": "two_sided"},
        -1.5, {},
    ),
    "multinomial": (
        {"family": "multinomial", "h0": {"elo": 0.0}, "h1": {"elo": 150.0}, "model": "logistic", "categories": 3},
        150.0, {},
    ),
    "multinomial-five": (
        {"family": "multinomial", "h0": {"elo": 0.0}, "h1": {"elo": 100.0}, "model": "normalized", "categories": 5},
        100.0, {},
    ),
}  # fmt: skip


def family_run(name: str, size: int = 4_000, seed: int = 5) -> Run:
    """Return the decided run of a family."""
    model, theta, parts = MODELS[name]
    given = definition(
        id=name, title=f"A test of the family {name}", question="", model=model, errors=_WALD,
        stop={"max_samples": size} if "student" in name or "multinomial" in name else {}, **parts,
    )  # fmt: skip
    family = parse(given).model.hypotheses()
    values = family.sample(theta, (1, size), np.random.default_rng(seed))[0]
    arms: Sequence[str | None] = ("a", "b") if family.has_arms else (None,)
    read = []
    for number, value in enumerate(values.tolist()):
        event = observation(number, [value], experiment_id=name, arm=arms[number % len(arms)])
        read.append(record(1200 + number, event, stamp(number)))
    return decided(given, read)
