"""The numbers of a run, each made in one place: every format writes these and none computes its own.

`value` is exact and goes where machines read; `text` is the same number for people, six significant digits.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from exporter.archive import Archive

Value = int | float | str | None


class Number(NamedTuple):
    """One named number with its unit; `note` says what kind of number it is where that matters."""

    key: str
    label: str
    value: Value
    unit: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        """Return the number as people read it."""
        return shown(self.value)


def shown(value: Value) -> str:
    """Return a number in at most six significant digits, integers in full, a dash for what does not exist."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}".replace("e-0", "e-").replace("e+0", "e+")
    return str(value)


def numbers(archive: Archive) -> tuple[Number, ...]:
    """Return every number of the run, in the order in which reports show them."""
    return (*_result(archive), *_estimates(archive), *_design(archive), *_extent(archive))


def values(archive: Archive) -> dict[str, Value]:
    """Return `{key: exact value}` of every number."""
    return {number.key: number.value for number in numbers(archive)}


def effective_upper(archive: Archive) -> float | None:
    """Return the upper line that holds, in nats: the boundary or that of the p rule, whichever comes first."""
    lines = [line for line in (archive.decision.upper, p_line(archive)) if line is not None]
    return min(lines, default=None)


def p_line(archive: Archive) -> float | None:
    """Return where the p rule lies on the scale of the walk, in nats."""
    threshold = archive.definition["stop"].get("p_value")
    return None if threshold is None else -math.log(threshold)


def _result(archive: Archive) -> tuple[Number, ...]:
    decision = archive.decision
    return (
        Number("n", "Observations applied, n", decision.n),
        *(
            Number(key, f"Observations applied in arm {key[-1]}", archive.estimates[key])
            for key in ("n_a", "n_b")
            if key in archive.estimates
        ),
        Number("llr", "Log-likelihood ratio at the stop", decision.llr, "nats"),
        Number("overshoot", "Overshoot past the crossed line", _overshoot(archive), "nats"),
        Number("p_value", "Always-valid p", decision.p_value, note=decision.p_kind),
    )


def _estimates(archive: Archive) -> tuple[Number, ...]:
    estimate, name = archive.estimates, parameter_name(archive.definition)
    low, high = estimate.get("interval") or (None, None)
    first, last = estimate.get("confidence_sequence") or (None, None)
    ordering = f"{estimate.get('ordering')} ordering"
    kind = str(estimate.get("interval_kind") or "")
    known = (
        Number("naive_estimate", f"Naive estimate of {name}", estimate.get("naive"), note="not adjusted for the stop"),
        Number(
            "median_unbiased_estimate",
            f"Median-unbiased estimate of {name}",
            estimate.get("median_unbiased"),
            "",
            ordering,
        ),
        Number("interval_lower", f"Lower limit for {name}, 95 %", low, note=kind),
        Number("interval_upper", f"Upper limit for {name}, 95 %", high, note=kind),
        Number("confidence_lower", f"Confidence sequence of {name}, lower limit, 95 %", first, note="valid at every n"),
        Number("confidence_upper", f"Confidence sequence of {name}, upper limit, 95 %", last, note="valid at every n"),
        Number("stagewise_p", "Stagewise p", estimate.get("stagewise_p"), note=ordering),
        Number("naive_first_half", f"Naive estimate of {name}, first half", estimate.get("naive_first_half")),
        Number("naive_second_half", f"Naive estimate of {name}, second half", estimate.get("naive_second_half")),
        Number(
            "llr_with_paused",
            "Log-likelihood ratio with what pauses left out",
            estimate.get("llr_with_paused"),
            "nats",
        ),
        Number(
            "naive_with_paused",
            f"Naive estimate of {name} with what pauses left out",
            estimate.get("naive_with_paused"),
        ),
    )
    return tuple(number for number in known if number.value is not None)


def _design(archive: Archive) -> tuple[Number, ...]:
    errors, stop, decision = archive.definition["errors"], archive.definition["stop"], archive.decision
    achieved = archive.defined.certificate
    known = (
        Number("alpha", "Type I error, nominal", errors["alpha"]),
        Number("alpha_achieved", "Type I error, achieved", _figure(achieved, "alpha")),
        Number("beta", "Type II error, nominal", errors.get("beta")),
        Number("beta_achieved", "Type II error, achieved", _figure(achieved, "beta")),
        Number("lower", "Lower boundary", decision.lower, "nats"),
        Number("upper", "Upper boundary", decision.upper, "nats"),
        Number("p_rule", "p rule: stop at p at or below", stop.get("p_value")),
        Number("p_line", "p rule as a line of the walk", p_line(archive), "nats"),
        Number("min_samples", "First n at which a rule is tested", stop.get("min_samples")),
        Number("max_samples", "Largest n", stop.get("max_samples")),
        Number("mean_n_h0", "Expected n under H0", _figure(achieved, "mean_n_h0")),
        Number("mean_n_h1", "Expected n under H1", _figure(achieved, "mean_n_h1")),
        Number("mean_n_mid", "Expected n midway", _midway(achieved, "mean_n")),
        Number("fixed_n", "n of a fixed-sample test with these errors", (achieved.get("planned") or {}).get("fixed_n")),
        Number("p_undecided_h0", "P(inconclusive) under H0", _figure(achieved, "p_undecided_h0")),
        Number("p_undecided_h1", "P(inconclusive) under H1", _figure(achieved, "p_undecided_h1")),
        Number("power", "Power", _figure(achieved, "power")),
    )
    return tuple(number for number in known if number.value is not None)


def _extent(archive: Archive) -> tuple[Number, ...]:
    took = (archive.decision.at - archive.started.at).total_seconds()
    return (
        Number("records", "Records in the run's range", sum(archive.counts.values())),
        Number("duration", "From start to decision", took, "s"),
    )


def _figure(certificate: Mapping[str, Any], key: str) -> float | None:
    """Return a figure of the certificate, None where it holds none."""
    value = certificate.get(key)
    return float(value) if isinstance(value, int | float) else None


def _midway(certificate: Mapping[str, Any], key: str) -> float | None:
    """Return a planned figure midway between the hypotheses, the second of three."""
    values = (certificate.get("planned") or {}).get(key) or []
    return float(values[1]) if len(values) == 3 and values[1] is not None else None


def parameter_name(definition: Mapping[str, Any]) -> str:
    """Return the name of the tested parameter, such as `p`."""
    return str(next(iter(definition["model"]["h0"])))


def _overshoot(archive: Archive) -> float | None:
    decision, upper = archive.decision, effective_upper(archive)
    if decision.reason in {"boundary_upper", "p_threshold"} and upper is not None:
        return decision.llr - upper
    if decision.reason == "boundary_lower" and decision.lower is not None:
        return decision.lower - decision.llr
    return None
