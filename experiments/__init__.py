"""The domain: what an experiment is, how it lives, and the one pure step that folds records into it."""

from experiments.advance import advance
from experiments.definition import DefinitionError, ExperimentDefinition, Problem, parse
from experiments.planning import Refusal, Solution, plan, solve

__all__ = [
    "DefinitionError",
    "ExperimentDefinition",
    "Problem",
    "Refusal",
    "Solution",
    "advance",
    "parse",
    "plan",
    "solve",
]
