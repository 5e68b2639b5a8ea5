"""What a design's own figures warn of: a rule that can never act, power that `max_samples` does not leave."""

from collections.abc import Iterator

import sprt

#: Standard errors by which a simulated figure must miss before it is worth a warning.
_SURE = 3.0


def cautions(design: sprt.Design) -> Iterator[dict[str, str]]:
    """Yield the warnings of a solved design, each with a code for programs and words with numbers for people."""
    yield from _redundant_p_rule(design)
    yield from _missing_power(design)


def _redundant_p_rule(design: sprt.Design) -> Iterator[dict[str, str]]:
    """Warn where the walk always meets the upper boundary first: it lies no higher, and both are tested from n = 1."""
    if design.p_value is None or design.upper > design.p_line or design.min_n > 1 or design.looks is not None:
        return
    words = (
        f"stop.p_value = {design.p_value:g} never ends a run: its line at {design.p_line:.4f} nats lies behind the"
        f" upper boundary at {design.upper:.4f}; leave it out, or give boundaries = 'lower'"
    )
    yield {"code": "p_rule_redundant", "message": words}


def _missing_power(design: sprt.Design) -> Iterator[dict[str, str]]:
    if design.beta is None or design.max_n is None:
        return
    found = design.certificate
    spare = 1e-9 if found.standard_error is None else _SURE * found.standard_error[1]
    if found.power >= 1 - design.beta - spare:
        return
    words = (
        f"power by stop.max_samples = {design.max_n} is {found.power:.4f}, below 1 - beta = {1 - design.beta:g}:"
        f" under H1 a run ends undecided with probability {found.p_undecided_h1:.4f}; raise max_samples"
    )
    yield {"code": "power_below_nominal", "message": words}
