"""Every published number again, through the public functions: one function for each kind of row in the anchor files."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtrc
from scipy.stats import norm

import sprt
from sprt import Bernoulli, Design, NegativeBinomial, Normal, PairedBernoulli, Poisson, State, TwoArmNormal
from sprt.estimate import mean_naive_estimate
from sprt.group_sequential import group_sequential_estimate
from sprt.mixtures import beta_mixture_log_e, normal_mixture_log_e, two_sample_bernoulli_log_e
from sprt.student import student_t_statistic
from sprt.uniform_boundaries import best_rho, log_mixture

Inputs = dict[str, Any]
Values = dict[str, Any]


def bernoulli(row: Inputs, **rules: Any) -> Design:
    """Return the Bernoulli design with Wald's thresholds that a row describes."""
    return Design(Bernoulli(row["p0"], row["p1"]), row["alpha"], row["beta"], thresholds="wald", **rules)


def given_thresholds(row: Inputs) -> Values:
    """C1: exact errors, expected n and quantile for given thresholds."""
    design = Design(Bernoulli(row["p0"], row["p1"]), 0.05, 0.05, thresholds=(row["a"], row["b"]))
    found = sprt.characteristics(design, [row["p0"], row["p1"], row["p"]], levels=(0.99,))
    return {
        "alpha": found.p_accept_h1[0],
        "beta": found.p_accept_h0[1],
        "asn_p": found.mean_n[2],
        "asn_p0": found.mean_n[0],
        "asn_p1": found.mean_n[1],
        "q99_p": found.quantiles[0.99][2],
        "n_fixed": sprt.fixed_sample_size(design.model, row["nominal"], row["nominal"]),
    }


def gamblers_ruin(row: Inputs) -> Values:
    """C2: the walk with equal steps, ties counted as crossed."""
    design = bernoulli(row)
    found = sprt.characteristics(design, [row["p0"], row["p1"], 0.5])
    step = math.log(row["p1"] / row["p0"])
    return {
        "alpha": found.p_accept_h1[0],
        "beta": found.p_accept_h0[1],
        "asn_p0": found.mean_n[0],
        "asn_p1": found.mean_n[1],
        "asn_half": found.mean_n[2],
        "steps_up": math.ceil((design.upper - 1e-9) / step),
        "steps_down": math.ceil((-design.lower - 1e-9) / step),
    }


def wald_thresholds(row: Inputs) -> Values:
    """C3, E1: exact figures of Wald's thresholds."""
    design = bernoulli(row)
    middle = 0.5 * (row["p0"] + row["p1"])
    found = sprt.characteristics(design, [row["p0"], row["p1"], middle], levels=(0.9,))
    return {
        "a": design.lower,
        "b": design.upper,
        "alpha": found.p_accept_h1[0],
        "beta": found.p_accept_h0[1],
        "asn_p0": found.mean_n[0],
        "asn_p1": found.mean_n[1],
        "asn_mid": found.mean_n[2],
        "reject_mid": found.p_accept_h1[2],
        "sd_p0": found.sd_n[0],
        "sd_p1": found.sd_n[1],
        "q90_p0": found.quantiles[0.9][0],
    }


def lines(row: Inputs) -> Values:
    """C3: slanted lines, acceptance and rejection numbers."""
    design = bernoulli(row)
    found = sprt.boundary_lines(design)
    accept, reject = sprt.critical_counts(design, np.arange(1, row["n_max"] + 1))
    ahead, _ = sprt.critical_counts(design, np.arange(1, 1000))
    return {
        "h_accept": found.h_accept,
        "h_reject": found.h_reject,
        "slope": found.slope,
        "first_n_accept_with": [int(np.argmax(ahead >= count)) + 1 for count in range(3)],
        "reject_number": optional(reject),
        "accept_number": optional(accept),
    }


def optional(counts: Any) -> list[int | None]:
    """Return whole numbers, None where there is none."""
    return [None if math.isnan(count) else int(count) for count in counts]


def truncated_binomial(row: Inputs) -> Values:
    """C6: looks from minn to maxn, inconclusive at the end."""
    design = bernoulli(row, min_n=row["minn"], max_n=row["maxn"])
    found = sprt.characteristics(design, row["p"])
    return {
        "p_accept": found.p_accept_h0,
        "p_reject": found.p_accept_h1,
        "p_inconclusive": found.p_undecided,
        "asn": found.mean_n,
    }


def truncated_bounds(row: Inputs) -> Values:
    """C6: acceptance and rejection numbers."""
    n = np.arange(row["minn"], row["maxn"] + 1)
    accept, reject = sprt.critical_counts(bernoulli(row), n)
    return {
        "accept_number": np.where(np.isnan(accept), -1, accept),
        "reject_number": np.where(np.isnan(reject), n + 1, reject),
    }


def looks_design(row: Inputs, m: float, thresholds: Any = "wald", **rules: Any) -> Design:
    """Return a normal design with K equal looks over m fixed sample sizes."""
    needed = float(norm.isf(row["alpha"]) + norm.isf(row["beta"])) ** 2
    step = math.sqrt(m * needed / row["K"])
    return Design(Normal(0.0, step), row["alpha"], row["beta"], thresholds=thresholds, max_n=row["K"], **rules)


def wald_horizon(row: Inputs) -> Values:
    """C7: errors of Wald's thresholds over K looks."""
    return looks_values(row, row["m"])


def looks_values(row: Inputs, m: float) -> Values:
    """C7: type I error, power and expected n in units of the fixed sample size."""
    design = looks_design(row, m)
    found = sprt.characteristics(design, [design.model.h0, design.model.h1])
    unit = m / row["K"]
    return {
        "type1": found.p_accept_h1[0],
        "power": found.p_accept_h1[1],
        "e0_n": found.mean_n[0] * unit,
        "e1_n": found.mean_n[1] * unit,
    }


def horizon_for_power(row: Inputs) -> Values:
    """C7: the horizon at which Wald's thresholds keep the power."""
    wanted = 1.0 - float(row["beta"])

    def lacking(m: float) -> float:
        return float(looks_values(row, m)["power"]) - wanted

    m = float(brentq(lacking, 1.0, 6.0, xtol=1e-13, rtol=1e-13))
    found = looks_values(row, m)
    del found["power"]
    return {"m": m, **found}


def preserving(row: Inputs) -> Values:
    """C7: thresholds that keep both errors with a midpoint rule at the horizon."""
    design = looks_design(row, row["m"], "exact", at_limit="midpoint")
    found = sprt.characteristics(design, [design.model.h0, design.model.h1])
    unit = row["m"] / row["K"]
    return {
        "a": design.lower,
        "b": design.upper,
        "c": design.midpoint,
        "e0_n": found.mean_n[0] * unit,
        "e1_n": found.mean_n[1] * unit,
    }


def normal_wald(row: Inputs) -> Values:
    """C8, E3: exact figures of a normal test, and both classical approximations."""
    model = Normal(0.0, row["delta"]) if "delta" in row else Normal(row["mu0"], row["mu1"], row["sigma"])
    design = Design(model, row["alpha"], row["beta"], thresholds="wald")
    theta = [model.h0, 0.5 * (model.h0 + model.h1), model.h1]
    found = sprt.characteristics(design, theta)
    wald, siegmund = sprt.wald_characteristics(design, theta), sprt.siegmund_characteristics(design, theta)
    values: Values = {"alpha": found.p_accept_h1[0], "beta": found.p_accept_h0[2], "reject_mid": found.p_accept_h1[1]}
    for k, name in enumerate(("0", "mid", "1")):
        values[f"asn_{name}"], values[f"sd_{name}"] = found.mean_n[k], found.sd_n[k]
        values[f"asn_wald_{name}"], values[f"asn_siegmund_{name}"] = wald.mean_n[k], siegmund.mean_n[k]
    return {**values, "alpha_siegmund": siegmund.p_accept_h1[0], "beta_siegmund": siegmund.p_accept_h0[2]}


def normal_exact(row: Inputs) -> Values:
    """C9: thresholds that keep both errors exactly."""
    design = Design(Normal(0.0, row["delta"]), row["alpha"], row["beta"])
    found = sprt.characteristics(design, [0.0, row["delta"]])
    return {"a": design.lower, "b": design.upper, "asn_0": found.mean_n[0], "asn_1": found.mean_n[1]}


def bernoulli_given(row: Inputs) -> Values:
    """C9: calibrated thresholds evaluated, and Wald's beside them."""
    theta = [row["p0"], row["p1"]]
    design = Design(Bernoulli(*theta), row["alpha"], row["beta"], thresholds=(row["a"], row["b"]))
    found, wald = sprt.characteristics(design, theta), sprt.characteristics(bernoulli(row), theta)
    return {
        "alpha_exact": found.p_accept_h1[0],
        "beta_exact": found.p_accept_h0[1],
        "asn_p0": found.mean_n[0],
        "asn_p1": found.mean_n[1],
        "asn_wald_p0": wald.mean_n[0],
        "asn_wald_p1": wald.mean_n[1],
    }


def llr_path(row: Inputs) -> Values:
    """C11: a path to its stop."""
    if row["family"] == "bernoulli":
        model: sprt.Family = Bernoulli(row["p0"], row["p1"])
    else:
        model = Normal(row["mu0"], row["mu1"], row["sigma"])
    design = Design(model, row["alpha"], row["beta"], thresholds="wald")
    state, _ = sprt.fold(design, sprt.init(design), row["x"])
    decided = {"accept_h1": "reject", "accept_h0": "accept"}
    outcome = sprt.info(design, state).outcome
    return {
        "llr": sprt.path(design, row["x"])[: state.n],
        "decision": decided.get(outcome or "", "none"),
        "n_stop": state.n,
    }


def stagewise(row: Inputs) -> Values:
    """C11, E4: stagewise p, interval and median-unbiased estimate."""
    design = bernoulli(row, max_n=row.get("cap", row.get("N")))
    llr = Bernoulli(row["p0"], row["p1"]).ratio.llr_of(row["S"], row["n_stop"])
    found = sprt.estimate(design, State(row["n_stop"], llr, max(llr, 0.0), (row["S"],), ()))
    assert found.interval is not None  # noqa: S101 - the design's own stop
    return {
        "p": found.stagewise_p,
        "p_mid": found.stagewise_p_mid,
        "mue": found.median_unbiased,
        "ci_low": found.interval[0],
        "ci_high": found.interval[1],
        "naive_mle": found.naive,
    }


def mle_bias(row: Inputs) -> Values:
    """C11: the expected maximum-likelihood estimate at the stop."""
    return {"e_mle": mean_naive_estimate(bernoulli(row), row["p"])}


def group_sequential(row: Inputs) -> Values:
    """C11: inference after a group-sequential test."""
    found = group_sequential_estimate(row["critical"], row["info"], row["z"], sd=row["sigma"], confidence=row["conf"])
    return {"p": found.p, "ci_low": found.ci_low, "ci_high": found.ci_high, "mue": found.median_unbiased}


def p_rule(row: Inputs) -> Values:
    """C12: stop when the always-valid p of the likelihood ratio is small."""
    threshold = row["threshold"]
    model = Bernoulli(row["p0"], row["p1"])
    design = Design(model, threshold, None, p_value=threshold, max_n=row["N"], thresholds="wald")
    found = sprt.characteristics(design, [row["p0"], row["p1"], row["pm"]])
    return {
        "type1": found.p_accept_h1[0],
        "power": found.p_accept_h1[1],
        "e_n_p0": found.mean_n[0],
        "e_n_p1": found.mean_n[1],
        "reject_pm": found.p_accept_h1[2],
    }


def naive_p(row: Inputs) -> Values:
    """C12: the rule this product does not offer: a fixed-n p recomputed at each observation."""

    def stops(n: int) -> int:
        counts = np.arange(n + 1)
        p = bdtrc(counts - 1.0, n, row["p0"])
        p[0] = 1.0
        return (
            int(np.argmax(p <= row["threshold"] * (1.0 + 1e-9)))
            if (p <= row["threshold"] * (1.0 + 1e-9)).any()
            else n + 1
        )

    return first_passage(row, stops)


def mixture_p(row: Inputs) -> Values:
    """C12: stop when the p of a Beta(1, 1) mixture is small."""
    level = -math.log(row["threshold"])

    def stops(n: int) -> int:
        counts = np.arange(n + 1)
        log_e = np.asarray(beta_mixture_log_e(counts, n, row["p0"], 1.0, 1.0))
        far = (log_e >= level - 1e-9) & (counts > n * row["p0"])
        low = (log_e >= level - 1e-9) & (counts < n * row["p0"])
        reach.append(int(counts[low].max()) if low.any() else -1)
        return int(np.argmax(far)) if far.any() else n + 1

    reach: list[int] = []
    return first_passage(row, stops, reach)


def first_passage(row: Inputs, upper: Callable[[int], int], lower: list[int] | None = None) -> Values:
    """Return the probabilities of reaching a line of counts, by a recursion written here alone as a cross-check."""
    theta = np.array([row["p0"], row["p1"], row["pm"]])
    mass = np.zeros((3, row["N"] + 2))
    mass[:, 0] = 1.0
    rejected, expected = np.zeros(3), np.zeros(3)
    for n in range(1, row["N"] + 1):
        expected += mass.sum(axis=1)
        mass[:, 1:] = mass[:, 1:] * (1.0 - theta[:, None]) + mass[:, :-1] * theta[:, None]
        mass[:, 0] *= 1.0 - theta
        first = upper(n)
        rejected += mass[:, first:].sum(axis=1)
        mass[:, first:] = 0.0
        if lower is not None and lower[-1] >= 0:
            rejected += mass[:, : lower[-1] + 1].sum(axis=1)
            mass[:, : lower[-1] + 1] = 0.0
    return {
        "type1": rejected[0],
        "power": rejected[1],
        "e_n_p0": expected[0],
        "e_n_p1": expected[1],
        "reject_pm": rejected[2],
    }


def two_sided(row: Inputs) -> Values:
    """C13: the log cosh form over K looks."""
    needed = float(norm.isf(0.5 * row["alpha"]) + norm.isf(row["beta"])) ** 2
    model = Normal(0.0, math.sqrt(row["horizon"] * needed / row["K"]))
    design = Design(model, row["alpha"], row["beta"], thresholds="wald", alternative="two_sided", max_n=row["K"])
    found = sprt.characteristics(design, [0.0, model.mean1])
    return two_sided_values(row, found.p_accept_h1, found.p_accept_h0, found.p_undecided, found.mean_n)


def two_sided_values(row: Inputs, h1: Any, h0: Any, undecided: Any, mean_n: Any) -> Values:
    """Return the figures of a two-sided row."""
    unit = row["horizon"] / row["K"]
    return {
        "type1": h1[0],
        "accept0": h0[0],
        "undecided0": undecided[0],
        "power": h1[1],
        "accept1": h0[1],
        "undecided1": undecided[1],
        "e0n_over_nf": mean_n[0] * unit,
        "e1n_over_nf": mean_n[1] * unit,
    }


def wrong_two_sided(row: Inputs) -> Values:
    """C13: the form this product does not offer, `|W| - u/2`, by a quadrature written here alone."""
    needed = float(norm.isf(0.5 * row["alpha"]) + norm.isf(row["beta"])) ** 2
    step = row["horizon"] * needed / row["K"]
    lower = math.log(row["beta"] / (1.0 - row["alpha"]))
    upper = math.log((1.0 - row["beta"]) / row["alpha"])
    x, w = np.polynomial.legendre.leggauss(200)
    totals = np.zeros((2, 3))
    expected = np.zeros(2)
    for k, drift in enumerate((0.0, 1.0)):
        node, weight = np.zeros(1), np.ones(1)
        for look in range(1, row["K"] + 1):
            expected[k] += weight.sum()
            low, high = max(lower + 0.5 * look * step, 0.0), upper + 0.5 * look * step
            sd, centre = math.sqrt(step), node + drift * step
            totals[k, 0] += float(weight @ (norm.sf((high - centre) / sd) + norm.cdf((-high - centre) / sd)))
            totals[k, 1] += float(weight @ (norm.cdf((low - centre) / sd) - norm.cdf((-low - centre) / sd)))
            half = 0.5 * (high - low)
            side = half * x + 0.5 * (high + low)
            ahead = np.concatenate((-side[::-1], side))
            density = np.exp(-0.5 * ((ahead[:, None] - centre[None, :]) / sd) ** 2) @ weight
            node, weight = ahead, np.tile(half * w, 2) * density / (sd * math.sqrt(2.0 * math.pi))
        totals[k, 2] = weight.sum()
    return two_sided_values(row, totals[:, 0], totals[:, 1], totals[:, 2], expected)


def bernoulli_truncated(row: Inputs) -> Values:
    """E2: outcomes and expected n with a limit."""
    at_limit = "sign" if row["final"] == "llr_sign" else "undecided"
    design = bernoulli(row, max_n=row["N"], at_limit=at_limit)
    found = sprt.characteristics(design, [row["p0"], row["p1"], row["pt"]])
    values: Values = {}
    for k, name in enumerate(("p0", "p1", "pt")):
        values[f"reject_{name}"] = found.p_accept_h1[k]
        values[f"accept_{name}"] = found.p_accept_h0[k]
        values[f"timeout_{name}"] = found.p_undecided[k]
        values[f"e_n_{name}"] = found.mean_n[k]
    return values


MODELS: Final[dict[str, Callable[[Inputs], sprt.Family]]] = {
    "bernoulli": lambda row: Bernoulli(row["p0"], row["p1"]),
    "normal": lambda row: Normal(row["mu0"], row["mu1"], row["sigma"]),
    "poisson": lambda row: Poisson(row["l0"], row["l1"]),
    "exponential": lambda row: sprt.Exponential(row["r0"], row["r1"]),
    "negative_binomial": lambda row: NegativeBinomial(row["m0"], row["m1"], row["k"]),
    "normal_two_arm": lambda row: TwoArmNormal(row["theta0"], row["theta1"], row["sigma"]),
    "bernoulli_two_arm": lambda row: PairedBernoulli(1.0, row["psi"]),
}


def cumulative(kind: str, row: Inputs) -> Values:
    """E7: the whole path of the log-likelihood ratio."""
    design = Design(MODELS[kind](row), 0.05, 0.05, thresholds="wald")
    return {"llr": sprt.path(design, row["x"])}


def count_sprt(row: Inputs) -> Values:
    """E8: exact figures of Wald's thresholds for counts."""
    model = MODELS[row["family"]](row)
    design = Design(model, row["alpha"], row["beta"], thresholds="wald")
    found = sprt.characteristics(design, [model.h0, model.h1])
    return {
        "asn_h0": found.mean_n[0],
        "alpha": found.p_accept_h1[0],
        "asn_h1": found.mean_n[1],
        "beta": found.p_accept_h0[1],
    }


def mixture_path(row: Inputs) -> Values:
    """E6: always-valid p and log e-value along a sequence."""
    arguments = {name: value for name, value in row.items() if name != "type"}
    found = (sprt.normal_mixture if row["type"] == "normal" else sprt.beta_mixture)(**arguments)
    return {"log_e": found.log_e, "p": found.p}


def performance(row: Inputs) -> Values:
    """C5: what a MaxSPRT does with a given critical value."""
    found = sprt.maxsprt_performance(**{name: value for name, value in row.items() if name != "alpha_nominal"})
    return {
        "reject_counts": found.reject_counts,
        "alpha": found.alpha,
        "power": found.power,
        "p_signal": found.power,
        "e_signal": found.e_signal,
        "e_length": found.e_length,
    }


def mixture_bound(row: Inputs) -> Values:
    """C15: conjugate mixtures and their boundaries."""
    shared = {name: value for name, value in row.items() if name not in ("mixture", "s", "v", "alpha")}
    return {
        "log_mixture": log_mixture(row["mixture"], row["s"], row["v"], **shared),
        "bound": sprt.mixture_bound(row["mixture"], row["v"], row["alpha"], **shared),
    }


def student_from_data(row: Inputs) -> Values:
    """C17: Hajnal's ratio from raw data."""
    found = student_t_statistic(**row)
    return {
        **found._asdict(),
        "log_lr_two": sprt.student_t_llr(*found, "two_sided"),
        "log_lr_greater": sprt.student_t_llr(*found, "greater"),
    }


def interval(found: Any) -> Values:
    """Return both ends of an interval."""
    return {"low": found.low, "high": found.high}


# kind of row by group -> its numbers again
RECOMPUTED: Final[dict[str, dict[str, Callable[[Inputs], Values]]]] = {
    "C1": {"oc": given_thresholds},
    "C2": {"closed_form": gamblers_ruin},
    "C3": {"oc_wald": wald_thresholds, "lines": lines},
    "C5": {
        "poisson_cv": lambda row: {"cv": sprt.maxsprt_critical_value(**row)},
        "poisson_group": performance,
        "poisson_performance": performance,
        "binomial": performance,
    },
    "C6": {"oc_truncated": truncated_binomial, "bounds": truncated_bounds},
    "C7": {"wald_horizon": wald_horizon, "horizon_for_power": horizon_for_power, "preserving": preserving},
    "C8": {"oc_normal": normal_wald},
    "C9": {"normal_exact": normal_exact, "bernoulli_given": bernoulli_given},
    "C11": {
        "llr_path": llr_path,
        "stagewise": stagewise,
        "mle_bias": mle_bias,
        "gs_normal_stagewise": group_sequential,
    },
    "C12": {"lr": p_rule, "naive": naive_p, "mixture": mixture_p},
    "C13": {"cosh": two_sided, "abs": wrong_two_sided},
    "C14": {
        "normal_path": lambda row: sprt.normal_mixture(**row)._asdict(),
        "normal_cs": lambda row: interval(sprt.confidence_sequence("normal", **row)),
        "normal_point": lambda row: {"log_e": normal_mixture_log_e(**row)},
        "two_sample_bernoulli": lambda row: {"log_e": two_sample_bernoulli_log_e(**row)},
        "beta_binomial": lambda row: {"log_e": beta_mixture_log_e(**row)},
    },
    "C15": {
        "mixture": mixture_bound,
        "rho": lambda row: {"rho": best_rho(**row)},
        "poly_stitching": lambda row: {"bound": sprt.poly_stitching_bound(**row)},
        "bernoulli_cs": lambda row: interval(sprt.bernoulli_confidence_sequence(**row)),
    },
    "C17": {
        "from_statistic": lambda row: {"log_lr": sprt.student_t_llr(**row)},
        "from_data": student_from_data,
    },
    "C18": dict.fromkeys(
        ("normalized_3", "logistic_3", "bayeselo_3", "normalized_5", "logistic_5"),
        lambda row: {"llr": sprt.gsprt_llr(**row)},
    )
    | {"robustness": lambda row: {"finite_or_typed_error": bool(np.isfinite(sprt.gsprt_llr(**row)))}},
    "C20": {
        "ebh": lambda row: {"rejected_index0": sprt.e_benjamini_hochberg(**row)},
        "calibrator": lambda row: {"e": sprt.p_to_e(**row)},
    },
    "E1": {"bernoulli_untruncated": wald_thresholds},
    "E2": {"bernoulli_truncated": bernoulli_truncated},
    "E3": {"normal": normal_wald},
    "E4": {"stagewise_truncated": stagewise},
    "E6": {"mixture_paths": mixture_path},
    "E7": {kind: partial(cumulative, kind) for kind in MODELS},
    "E8": {"poisson": count_sprt, "negative_binomial": count_sprt},
}
