"""The walk: one observation, a batch, or a whole path; and which rule ends it, at which observation.

`fold` equals repeated `step`, bit for bit, for every split of the observations into batches: integers are exact, and
real sums grow strictly left to right. On one observation a boundary comes before the p rule, and that before the limit.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from sprt.arrays import ArmArray, BoolArray, FloatArray, observations
from sprt.design import Design
from sprt.errors import ObservationError
from sprt.families.base import ExponentialFamily
from sprt.state import State
from sprt.stopping import TIE

CHUNK: Final = 16_384  # observations folded at once: the arrays of one chunk stay in the processor's cache
FEW: Final = 12  # up to here a plain loop is faster than the fixed cost of the array operations


@dataclass(frozen=True, slots=True)
class Info:
    """What the walk shows at a state.

    Attributes
    ----------
    n, llr, p_value
        As in the state; the p is always valid.
    rule
        The rule that ends the run here: `boundary_upper`, `boundary_lower`, `p_threshold`, `max_samples`, or None.
    outcome
        `accept_h1`, `accept_h0` or `inconclusive` if a rule ends the run, else None.
    direction
        `greater` or `less`: the side of h0 on which the larger likelihood lies.
    """

    n: int
    llr: float
    p_value: float
    rule: str | None
    outcome: str | None
    direction: str


def init(design: Design) -> State:
    """Return the state before the first observation."""
    counts, sums = design.model.start()
    return State(n=0, llr=0.0, max_llr=0.0, counts=counts, sums=sums)


def step(design: Design, state: State, x: float, arm: int | None = None) -> tuple[State, Info]:
    """Return the walk after one more observation, and what that observation showed.

    Parameters
    ----------
    x
        One observation, in the model's own unit.
    arm
        0 for a, 1 for b; needed by families with two arms.

    Raises
    ------
    ObservationError
        If `x` lies outside the support of a hypothesis, or is not finite.
    """
    after, _ = fold(design, state, [x], None if arm is None else [arm])
    return after, info(design, after)


def fold(design: Design, state: State, xs: ArrayLike, arms: ArrayLike | None = None) -> tuple[State, int | None]:
    """Return the state after the batch or at the first crossing in it, and the index of that crossing or None.

    Parameters
    ----------
    xs
        Observations in order, shape `(k,)`; for families with two arms also `(k, 2)`, pairs (a, b) in turn.
    arms
        For families with two arms and flat `xs`: 0 for a, 1 for b, shape `(k,)`.

    Raises
    ------
    ObservationError
        If any value lies outside the support or is not finite, or the arms are missing or wrong.
    """
    if arms is None and isinstance(design.model, ExponentialFamily):
        few = read_few(design.model, xs)
        if few is not None:
            return fold_few(design, design.model, state, few)
    values, sides, paired = read_batch(design, state, xs, arms)
    for begin in range(0, values.shape[0], CHUNK):
        part = slice(begin, begin + CHUNK)
        state, index = fold_chunk(design, state, values[part], None if sides is None else sides[part])
        if index is not None:
            return state, (begin + index) // 2 if paired else begin + index
    return state, None


def path(design: Design, xs: ArrayLike, arms: ArrayLike | None = None) -> FloatArray:
    """Return the log-likelihood ratio after each observation (of pairs, after each pair), through all of them.

    The path goes on past a crossing; `fold` says where the run ends.
    """
    start = init(design)
    values, sides, paired = read_batch(design, start, xs, arms)
    if values.shape[0] == 0:
        return np.empty(0)
    llr = design.model.walk(start, values, sides, two_sided=design.is_two_sided).llr
    return llr[1::2] if paired else llr


def info(design: Design, state: State) -> Info:
    """Return what the walk shows at a state: its p, and the rule that ends the run there, if one does."""
    rule = rule_at(design, state)
    return Info(
        n=state.n,
        llr=state.llr,
        p_value=state.p_value,
        rule=rule,
        outcome=None if rule is None else outcome_of(design, rule, state.llr),
        direction=design.model.side(state) if design.is_two_sided else design.model.direction,
    )


def acceptable(design: Design, state: State, xs: ArrayLike, arms: ArrayLike | None = None) -> BoolArray:
    """Return for each observation whether `fold` would take it, those refused being left out of the walk."""
    values = observations(xs)
    sides = None if arms is None else np.asarray(arms, dtype=np.int8)
    return design.model.acceptable(state, values, sides)


def rule_at(design: Design, state: State) -> str | None:
    """Return the rule that ends the run at this state, in the declared order, or None."""
    n = state.n
    if n == 0 or not design.is_tested(n):
        return None
    upper, lower, p_line, limit = design.levels
    if state.llr >= upper:
        return "boundary_upper"
    if state.llr <= lower:
        return "boundary_lower"
    if state.max_llr >= p_line:
        return "p_threshold"
    if n >= limit:
        return "max_samples"
    return None


def outcome_of(design: Design, rule: str, llr: float) -> str:
    """Return what a run means that ended by this rule at this log-likelihood ratio."""
    if rule in ("boundary_upper", "p_threshold"):
        return "accept_h1"
    if rule == "boundary_lower":
        return "accept_h0"
    if design.at_limit == "sign":
        return "accept_h1" if llr > TIE else "accept_h0"
    if design.at_limit == "midpoint":
        return "accept_h1" if llr >= design.midpoint - TIE else "accept_h0"
    return "inconclusive"


def read_batch(
    design: Design, state: State, xs: ArrayLike, arms: ArrayLike | None
) -> tuple[FloatArray, ArmArray | None, bool]:
    """Return the batch flat, its arms, and whether it came as pairs; raise ObservationError for what is not allowed."""
    model = design.model
    values = observations(xs)
    paired = model.has_arms and values.ndim == 2 and values.shape[1] == 2 and arms is None
    if paired:
        sides: ArmArray | None = np.tile(np.array([0, 1], dtype=np.int8), values.shape[0])
        values = values.reshape(-1)
    else:
        if values.ndim != 1:
            raise ObservationError(f"observations: shape {values.shape} given, a flat list is allowed")
        sides = read_arms(design, values, arms)
    good = model.acceptable(state, values, sides)
    if not good.all():
        first = int(np.argmin(good))
        raise ObservationError(
            f"observation {first}: {model.refusal(values[first])}; {model.name} allows {model.support}"
        )
    return values, sides, paired


def read_arms(design: Design, values: FloatArray, arms: ArrayLike | None) -> ArmArray | None:
    """Return the arms as int8, None for families without; raise ObservationError if they do not fit."""
    model = design.model
    if not model.has_arms:
        if arms is not None:
            raise ObservationError(f"arms: given, but {model.name} has none")
        return None
    if arms is None and values.shape[0] == 0:
        return np.empty(0, dtype=np.int8)
    if arms is None:
        raise ObservationError(f"arms: none given, {model.name} needs 0 (a) or 1 (b) for each observation")
    sides = np.asarray(arms)
    if sides.shape != values.shape or not np.isin(sides, (0, 1)).all():
        raise ObservationError(f"arms: {arms!r:.80} given, 0 (a) or 1 (b) for each observation is allowed")
    return sides.astype(np.int8)


def read_few(model: ExponentialFamily, xs: ArrayLike) -> list[float] | None:
    """Return a short flat batch of allowed numbers as it is, None for anything else: that is read with more care."""
    if isinstance(xs, np.ndarray):
        if xs.ndim != 1 or xs.dtype != np.float64 or xs.shape[0] > FEW:
            return None
        values: list[float] = xs.tolist()
    elif isinstance(xs, list) and len(xs) <= FEW and all(type(x) is float for x in xs):
        values = xs
    else:
        return None
    allows = model.allows
    return values if all(allows(x) for x in values) else None


def fold_few(design: Design, model: ExponentialFamily, state: State, values: list[float]) -> tuple[State, int | None]:
    """Fold a handful of observations by the same operations, one by one."""
    ratio = model.ratio_for(two_sided=design.is_two_sided)
    integer, centre = model.integer, model.centre
    t: float = state.counts[0] if integer else state.sums[0]
    n, llr, max_llr = state.n, state.llr, state.max_llr
    upper, lower, p_line, limit = design.levels
    for index, x in enumerate(values):
        t += x - centre
        n += 1
        llr = ratio.llr_of(t, n)
        max_llr = max(max_llr, llr)
        if (llr >= upper or llr <= lower or max_llr >= p_line or n >= limit) and design.is_tested(n):
            return state_of(n, llr, max_llr, t, integer=integer), index
    return state_of(n, llr, max_llr, t, integer=integer), None


def state_of(n: int, llr: float, max_llr: float, t: float, *, integer: bool) -> State:
    """Return the state of a family with one sum."""
    return State(n, llr, max_llr, (int(t),), ()) if integer else State(n, llr, max_llr, (), (t,))


def fold_chunk(design: Design, state: State, values: FloatArray, sides: ArmArray | None) -> tuple[State, int | None]:
    """Fold one chunk: two reductions tell that nothing crossed; only otherwise is the crossing looked for."""
    walk = design.model.walk(state, values, sides, two_sided=design.is_two_sided)
    llr = walk.llr
    upper, lower, p_line, limit = design.levels
    max_llr = max(state.max_llr, float(llr.max()))
    quiet = max_llr < min(upper, p_line) and float(llr.min()) > lower and state.n + llr.shape[0] < limit
    index = None if quiet else first_crossing(design, state, walk.n(), llr)
    k = llr.shape[0] - 1 if index is None else index
    if index is not None:
        max_llr = max(state.max_llr, float(llr[: k + 1].max()))
    n, counts, sums, waiting = walk.at(k)
    return State(n, float(llr[k]), max_llr, counts, sums, waiting), index


def first_crossing(design: Design, state: State, n: FloatArray, llr: FloatArray) -> int | None:
    """Return the index of the first tested observation at which a rule ends the run, or None."""
    upper, lower, p_line, _ = design.levels
    ends = (llr >= upper) | (llr <= lower)
    if design.p_value is not None:
        ends |= np.maximum(np.maximum.accumulate(llr), state.max_llr) >= p_line
    if design.max_n is not None:
        ends |= n >= design.max_n
    ends &= n >= max(design.min_n, 1)
    looks = design.look_array
    if looks is not None:
        ends &= looks[np.minimum(np.searchsorted(looks, n), looks.shape[0] - 1)] == n
    index = int(np.argmax(ends))
    return index if ends[index] else None
