"""Families of distributions, one a file; the table names each as a definition does."""

from typing import Final

from sprt.families.base import ExponentialFamily, Family, LinearFamily, Walk
from sprt.families.bernoulli import Bernoulli
from sprt.families.exponential import Exponential
from sprt.families.multinomial import Multinomial
from sprt.families.negative_binomial import NegativeBinomial
from sprt.families.normal import Normal
from sprt.families.paired_bernoulli import PairedBernoulli
from sprt.families.poisson import Poisson
from sprt.families.student_t import StudentT
from sprt.families.two_arm_normal import TwoArmNormal

FAMILIES: Final[dict[str, type[Family]]] = {
    family.name: family
    for family in (
        Bernoulli,
        Normal,
        Poisson,
        Exponential,
        NegativeBinomial,
        PairedBernoulli,
        TwoArmNormal,
        StudentT,
        Multinomial,
    )
}

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Exponential",
    "ExponentialFamily",
    "Family",
    "LinearFamily",
    "Multinomial",
    "NegativeBinomial",
    "Normal",
    "PairedBernoulli",
    "Poisson",
    "StudentT",
    "TwoArmNormal",
    "Walk",
]
