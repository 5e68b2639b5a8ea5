"""The four ways to set the thresholds of one design, side by side."""

from dataclasses import dataclass, replace
from typing import Final

import sprt

MODES: Final = ("wald", "ville", "siegmund", "exact")


@dataclass(frozen=True, slots=True)
class Mode:
    """What one way achieves: boundaries in nats (None where absent), error rates, expected n; or why it is refused."""

    mode: str
    lower: float | None = None
    upper: float | None = None
    alpha: float | None = None
    beta: float | None = None
    p_undecided_h0: float | None = None
    p_undecided_h1: float | None = None
    mean_n_h0: float | None = None
    mean_n_h1: float | None = None
    refused: str | None = None


def side_by_side(design: sprt.Design) -> tuple[Mode, ...]:
    """Return what each way achieves with the design's own hypotheses, errors and stop rules."""
    return tuple(_achieved(design, mode) for mode in MODES)


def _achieved(design: sprt.Design, mode: str) -> Mode:
    try:
        made = replace(design, thresholds=mode)
        found = made.certificate
    except sprt.SprtError as error:
        return Mode(mode, refused=str(error))
    return Mode(
        mode,
        lower=None if made.lower == -float("inf") else made.lower,
        upper=None if made.upper == float("inf") else made.upper,
        alpha=found.alpha,
        beta=found.beta,
        p_undecided_h0=found.p_undecided_h0,
        p_undecided_h1=found.p_undecided_h1,
        mean_n_h0=found.mean_n_h0,
        mean_n_h1=found.mean_n_h1,
    )
