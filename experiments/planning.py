"""From a definition to its design: thresholds, what they achieve, digests.

Solving may take seconds, so the shell calls `solve` off the stream's path; the worker, the exporter and a replay build
the design from the stored thresholds and never solve again.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import rfc8785

import sprt
from experiments.cautions import cautions
from experiments.definition import DefinitionError, ExperimentDefinition, parse
from schemas import events


@dataclass(frozen=True, slots=True)
class Solution:
    """A solved design: its thresholds (nats, None where there is none) and what they achieve."""

    definition: dict[str, Any]
    design_digest: str
    definition_digest: str
    lower: float | None
    upper: float | None
    certificate: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a definition has no solution: a code for programs and words for people."""

    code: str
    message: str


def plan(given: dict[str, Any]) -> Solution | Refusal:
    """Return the solution of a definition as given in a command, or why there is none; never raises for data."""
    try:
        return solve(parse(given))
    except DefinitionError as error:
        return Refusal("invalid_definition", str(error))
    except sprt.SprtError as error:
        return Refusal("design_refused", str(error))


def in_words(solved: Solution | events.Defined) -> str:
    """Return what the design can be expected to do, in one line."""
    found, planned = solved.certificate, solved.certificate.get("planned", {})
    lower, upper = ("none" if line is None else f"{line:.4f}" for line in (solved.lower, solved.upper))
    words = [f"boundaries {lower} and {upper} nats"]
    achieved = [f"{name} {found[name]:.4g}" for name in ("alpha", "beta") if found.get(name) is not None]
    words += [f"achieved {', '.join(achieved)}"] if achieved else []
    if planned.get("mean_n"):
        at = zip(planned["mean_n"], ("under H0", "midway", "under H1"), strict=True)
        words.append("mean n " + ", ".join(f"{mean:.1f} {where}" for mean, where in at if mean is not None))
    if planned.get("p_undecided"):
        at_h0, _, at_h1 = planned["p_undecided"]
        words.append(f"P(undecided) {at_h0:.3g} under H0, {at_h1:.3g} under H1")
    words += [f"fixed n {planned['fixed_n']}"] if planned.get("fixed_n") else []
    return "; ".join(words)


def solve(definition: ExperimentDefinition) -> Solution:
    """Return the thresholds of the definition's design and their certificate; equal designs are solved once.

    Raises
    ------
    sprt.SprtError
        If no thresholds keep the constraints.
    """
    stored = definition.stored()
    parts = _canonical({part: stored[part] for part in ("model", "errors", "stop")})
    try:
        lower, upper, certificate = _solved(parts)
    except sprt.TooCostlyError as error:
        raise sprt.TooCostlyError(f"{error}; thresholds 'wald' and 'ville' need no computation") from None
    return Solution(
        definition=stored,
        design_digest=hashlib.sha256(parts).hexdigest(),
        definition_digest=digest(stored),
        lower=lower,
        upper=upper,
        certificate=msgspec.json.decode(certificate),
    )


@lru_cache(maxsize=256)
def _solved(parts: bytes) -> tuple[float | None, float | None, str]:
    """Return thresholds and certificate (JSON) of a design, given as the canonical JSON of its three parts."""
    definition = ExperimentDefinition.model_validate({"id": "design", **json.loads(parts)})
    design = _design(definition, definition.errors.thresholds)
    return _finite(design.lower), _finite(design.upper), json.dumps(_plain(_certificate(design)))


def _certificate(design: sprt.Design) -> dict[str, Any]:
    """Return what the design achieves; if that is too costly to compute, Wald's approximations."""
    try:
        return asdict(design.certificate) | {"planned": _planned(design), "warnings": list(cautions(design))}
    except sprt.TooCostlyError as error:
        warning = {"code": "not_certified", "message": f"what the design achieves is not certified: {error}"}
        known = {field.name: None for field in fields(sprt.Certificate)} | _approximated(design)
        return {**known, "method": "Wald's approximation, without overshoot and limit", "warnings": [warning]}


def _approximated(design: sprt.Design) -> dict[str, Any]:
    """Return the mean n in Wald's approximation, nothing for a two-sided design or a single line."""
    model = design.model
    try:
        found = sprt.wald_characteristics(design, [model.h0, (model.h0 + model.h1) / 2, model.h1])
    except sprt.DesignError:
        return {"planned": {}}
    return {"mean_n_h0": found.mean_n[0], "mean_n_h1": found.mean_n[2], "planned": {"mean_n": found.mean_n}}


def _planned(design: sprt.Design) -> dict[str, Any]:
    """Return what the design can be expected to do under H0, midway and under H1, and the fixed n it competes with."""
    model = design.model
    theta = [model.h0, (model.h0 + model.h1) / 2, model.h1]
    planned = asdict(sprt.characteristics(design, theta)) if model.has_exact_law else {}
    if design.beta is not None:
        n = sprt.fixed_sample_size(model, design.alpha, design.beta, alternative=design.alternative)
        planned["fixed_n"] = n
    return planned


def stored_design(definition: dict[str, Any], lower: float | None, upper: float | None) -> sprt.Design:
    """Return the design of a stored definition with the thresholds solved for it.

    Equal designs are one object: a partition's owner reads thousands of definitions when it takes over.
    """
    parts = {part: definition[part] for part in ("model", "errors", "stop")}
    return _equal_designs(msgspec.json.encode(parts), lower, upper)


@lru_cache(maxsize=4096)
def _equal_designs(parts: bytes, lower: float | None, upper: float | None) -> sprt.Design:
    thresholds = (-math.inf if lower is None else lower, math.inf if upper is None else upper)
    given = {"id": "any", **msgspec.json.decode(parts)}
    return _design(ExperimentDefinition.model_validate(given), thresholds)


def digest(value: dict[str, Any]) -> str:
    """Return the SHA-256 of the value's canonical JSON (RFC 8785), in hexadecimal."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def _canonical(value: dict[str, Any]) -> bytes:
    """Return the canonical JSON of an object with ASCII names; most of its parts are those of other definitions too."""
    parts = ((name.encode(), _canonical_part(msgspec.json.encode(value[name]))) for name in sorted(value))
    return b"{%b}" % b",".join(b'"%b":%b' % part for part in parts)


@lru_cache(maxsize=512)
def _canonical_part(text: bytes) -> bytes:
    return rfc8785.dumps(msgspec.json.decode(text))


def _design(definition: ExperimentDefinition, thresholds: Any) -> sprt.Design:
    model, errors, stop = definition.model, definition.errors, definition.stop
    return sprt.Design(
        model.hypotheses(),
        errors.alpha,
        errors.beta,
        thresholds=thresholds,
        alternative=model.alternative,
        boundaries=stop.boundaries,
        p_value=stop.p_value,
        min_n=stop.min_samples,
        max_n=stop.max_samples,
        at_limit=stop.at_limit,
    )


def _finite(threshold: float) -> float | None:
    return threshold if math.isfinite(threshold) else None


def _plain(value: Any) -> Any:
    """Return the value with JSON's types only: tuples become lists, numpy's numbers Python's, infinities null."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(entry) for entry in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else None
