"""The estimate block of a decision: what can be said at once, on the stream's path.

The median-unbiased estimate and intervals need the law of the stopped walk, which can take seconds: the exporter
computes them for the archive, from the same design.
"""

from typing import Any

import sprt
from experiments.experiment import Experiment


def naive_estimate(experiment: Experiment) -> dict[str, Any]:
    """Return the maximum-likelihood estimate of the tested parameter, biased by the stopping and labelled so."""
    model = experiment.design.model
    return {
        "parameter": model.parameter,
        "naive": sprt.naive_estimate(model, experiment.hot.statistic),
        "note": "maximum likelihood, biased by the stopping rule",
    }
