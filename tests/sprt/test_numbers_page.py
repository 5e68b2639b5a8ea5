"""The figures on the page of numbers are those the package computes."""

import re
from pathlib import Path

import pytest

from bench.recompute import mixture_p, naive_p, p_rule
from sprt import Bernoulli, Design, fixed_sample_size

PAGE = (Path(__file__).parents[2] / "docs" / "05-numbers.md").read_text(encoding="utf-8")


def cells(label: str) -> list[float]:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {label} |"))
    return [float(cell) for cell in line.strip("|").split("|")[1:]]


@pytest.mark.parametrize("mode", ["wald", "ville", "siegmund", "exact"])
def test_the_table_of_modes_is_what_the_certificates_say(mode: str) -> None:
    line = next(line for line in PAGE.splitlines() if re.match(rf"\| {mode} \| -", line))
    shown = [float(cell) for cell in line.strip("|").split("|")[1:]]
    design = Design(Bernoulli(0.1, 0.3), 0.05, 0.1, thresholds=mode)
    achieved = design.certificate

    assert shown[:4] == pytest.approx([design.lower, design.upper, achieved.alpha, achieved.beta], abs=5.1e-5)
    assert shown[4:] == pytest.approx([achieved.mean_n_h0, achieved.mean_n_h1], abs=5.1e-3)


@pytest.mark.parametrize(
    ("label", "rule"),
    [
        ("always-valid p (this product)", p_rule),
        ("always-valid p of a Beta(1, 1) mixture", mixture_p),
        ("fixed-sample p, recomputed (not offered)", naive_p),
    ],
)
def test_the_table_of_p_rules_is_what_the_recursions_say(label: str, rule: object) -> None:
    assert callable(rule)
    found = [
        float(rule({"p0": 0.1, "p1": 0.3, "threshold": 0.01, "N": n, "pm": 0.2})["type1"]) for n in (50, 200, 1000)
    ]

    assert cells(label) == pytest.approx(found, abs=5.1e-5)


def test_the_fixed_sample_is_the_one_named() -> None:
    assert f"needs {fixed_sample_size(Bernoulli(0.1, 0.3), 0.05, 0.1)} observations" in PAGE
