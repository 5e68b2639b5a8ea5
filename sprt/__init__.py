"""Sequential probability ratio tests: exact, calibrated and checked against the literature.

Pure functions on frozen values: no clock, no files, no logging. A design is made once; `fold` moves a state through
batches of observations and says at which of them a rule ended the run.
"""

from sprt.design import Design
from sprt.errors import DesignError, ObservationError, SprtError
from sprt.families import (
    FAMILIES,
    Bernoulli,
    Exponential,
    Family,
    Normal,
    Poisson,
)
from sprt.state import State, state_from_row
from sprt.walk import Info, acceptable, fold, info, init, path, step

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Design",
    "DesignError",
    "Exponential",
    "Family",
    "Info",
    "Normal",
    "ObservationError",
    "Poisson",
    "SprtError",
    "State",
    "acceptable",
    "fold",
    "info",
    "init",
    "path",
    "state_from_row",
    "step",
]
