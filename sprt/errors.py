"""Errors of the statistics: a design that cannot be, and an observation that the model cannot have produced.

    SprtError (ValueError)
    |-- DesignError        parameters, constraints or a computation that cannot be satisfied
    |   `-- TooCostlyError an exact answer would take too long
    `-- ObservationError   a value outside the support of the hypotheses

Each message names the field, what was given and what is allowed.
"""


class SprtError(ValueError):
    """Base of every error raised by this package."""


class DesignError(SprtError):
    """A model, an error rate, a stopping rule or a computation cannot be as asked."""


class ObservationError(SprtError):
    """A value lies outside the support of the hypotheses, or is not finite."""


class TooCostlyError(DesignError):
    """A question whose exact answer would take too long."""
