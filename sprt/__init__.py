"""Sequential probability ratio tests: exact, calibrated and checked against the literature.

Pure functions on frozen values: no clock, no files, no logging. A design is made once; `fold` moves a state through
batches of observations and says at which of them a rule ended the run.
"""

from sprt.approximations import Approximation, siegmund_characteristics, wald_characteristics
from sprt.certificate import Certificate
from sprt.characteristics import Characteristics, StoppingLaw, characteristics, forecast, stopping_law
from sprt.confidence_sequences import confidence_sequence
from sprt.design import Design
from sprt.errors import DesignError, ObservationError, SprtError, TooCostlyError
from sprt.estimate import Estimate, estimate, mean_naive_estimate
from sprt.families import (
    FAMILIES,
    Bernoulli,
    Exponential,
    Family,
    Multinomial,
    NegativeBinomial,
    Normal,
    PairedBernoulli,
    Poisson,
    StudentT,
    TwoArmNormal,
)
from sprt.fixed import fixed_sample_size
from sprt.group_sequential import GroupSequentialEstimate, group_sequential_estimate
from sprt.gsprt import gsprt_llr
from sprt.lines import Lines, boundary_lines, critical_counts
from sprt.maxsprt import maxsprt_critical_value, maxsprt_performance
from sprt.mixtures import beta_mixture, normal_mixture
from sprt.multiplicity import e_benjamini_hochberg, lord_plus_plus, p_to_e
from sprt.naive import naive_estimate
from sprt.simulate import Simulation, simulate
from sprt.state import State, state_from_row
from sprt.student import student_t_llr
from sprt.thresholds import ville_thresholds, wald_thresholds
from sprt.uniform_boundaries import bernoulli_confidence_sequence, mixture_bound, poly_stitching_bound
from sprt.walk import Info, acceptable, fold, info, init, path, step

__all__ = [
    "FAMILIES",
    "Approximation",
    "Bernoulli",
    "Certificate",
    "Characteristics",
    "Design",
    "DesignError",
    "Estimate",
    "Exponential",
    "Family",
    "GroupSequentialEstimate",
    "Info",
    "Lines",
    "Multinomial",
    "NegativeBinomial",
    "Normal",
    "ObservationError",
    "PairedBernoulli",
    "Poisson",
    "Simulation",
    "SprtError",
    "State",
    "StoppingLaw",
    "StudentT",
    "TooCostlyError",
    "TwoArmNormal",
    "acceptable",
    "bernoulli_confidence_sequence",
    "beta_mixture",
    "boundary_lines",
    "characteristics",
    "confidence_sequence",
    "critical_counts",
    "e_benjamini_hochberg",
    "estimate",
    "fixed_sample_size",
    "fold",
    "forecast",
    "group_sequential_estimate",
    "gsprt_llr",
    "info",
    "init",
    "lord_plus_plus",
    "maxsprt_critical_value",
    "maxsprt_performance",
    "mean_naive_estimate",
    "mixture_bound",
    "naive_estimate",
    "normal_mixture",
    "p_to_e",
    "path",
    "poly_stitching_bound",
    "siegmund_characteristics",
    "simulate",
    "state_from_row",
    "step",
    "stopping_law",
    "student_t_llr",
    "ville_thresholds",
    "wald_characteristics",
    "wald_thresholds",
]
