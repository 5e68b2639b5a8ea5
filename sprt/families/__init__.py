"""Families of distributions, one a file; the table names each as a definition does."""

from typing import Final

from sprt.families.base import ExponentialFamily, Family, LinearFamily, Walk
from sprt.families.bernoulli import Bernoulli
from sprt.families.exponential import Exponential
from sprt.families.normal import Normal
from sprt.families.poisson import Poisson

FAMILIES: Final[dict[str, type[Family]]] = {family.name: family for family in (Bernoulli, Normal, Poisson, Exponential)}

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Exponential",
    "ExponentialFamily",
    "Family",
    "LinearFamily",
    "Normal",
    "Poisson",
    "Walk",
]
