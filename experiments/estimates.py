"""The estimate block of a decision: what can be said at once, on the stream's path.

The median-unbiased estimate and intervals need the law of the stopped walk, which can take seconds: the exporter
computes them for the archive, from the same design.
"""

from typing import Any

from experiments.memory import Experiment


def naive_estimate(experiment: Experiment) -> dict[str, Any]:
    """Return the maximum-likelihood estimate of the tested parameter, biased by the stopping and labelled so."""
    family, n, total = experiment.design.model, experiment.hot.statistic.n, experiment.hot.total
    if n == 0 or (family.parameter == "rate" and family.name == "exponential" and total <= 0):
        naive = None
    else:
        naive = n / total if family.name == "exponential" else total / n
    return {"parameter": family.parameter, "naive": naive, "note": "maximum likelihood, biased by the stopping rule"}
