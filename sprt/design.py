"""A frozen design: two hypotheses, two error rates, the rules that end the walk, and the thresholds they need.

Thresholds are solved once, when the design is made; given as two numbers they are taken as they are, so that a stored
design decides exactly as the solved one did.
"""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from sprt.arrays import FloatArray
from sprt.cost import allowance
from sprt.errors import DesignError
from sprt.families.base import Family, LinearFamily, require_finite
from sprt.stopping import TIE
from sprt.thresholds import ville_thresholds, wald_thresholds

if TYPE_CHECKING:
    from sprt.certificate import Certificate

ALTERNATIVES: Final = ("greater", "less", "two_sided")
MODES: Final = ("exact", "wald", "ville", "siegmund")
BOUNDARIES: Final = ("both", "lower", "none")
AT_LIMIT: Final = ("undecided", "sign", "midpoint")
LARGEST_N: Final = 10**12


@dataclass(frozen=True)
class Design:
    """A sequential probability ratio test with its boundaries, frozen before the first observation.

    Parameters
    ----------
    model
        A family with its two hypotheses, for example `Bernoulli(0.5, 0.6)`.
    alpha, beta
        Nominal error rates, strictly between 0 and 1, with a sum below 1. Without beta (None) there is no lower
        boundary, and a limit is required.
    thresholds
        `exact`, `wald`, `ville`, `siegmund`, or the pair (lower, upper) in nats, where None means absent.
    alternative
        `greater`, `less` or `two_sided`; None takes the direction of the hypotheses.
    boundaries
        Which boundaries are tested: `both`, `lower` or `none`. None means `both` without a p rule; with one, which
        replaces the upper boundary, `lower` (`none` without beta).
    p_value
        Accept H1 at the first n at which the always-valid p is at most this value.
    min_n
        No rule is tested below this n.
    looks
        Increasing n at which the rules are tested; None tests all. The last one is the limit if `max_n` is None.
    max_n
        The limit: the test ends here whatever the walk shows.
    at_limit
        What a walk means that reaches `max_n` without a crossing: `undecided`, `sign` (H1 iff llr > 0) or `midpoint`
        (H1 iff llr >= (lower + upper) / 2).

    Attributes
    ----------
    lower, upper
        The thresholds of the boundaries in nats; -inf and inf where there is none.
    effective_upper
        The lowest line at which H1 is accepted: the upper boundary or the p rule's line.

    Raises
    ------
    DesignError
        If a field is out of range, the fields contradict one another, or no thresholds satisfy them.
    """

    model: Family
    alpha: float
    beta: float | None
    _: KW_ONLY
    thresholds: str | tuple[float | None, float | None] = "exact"
    alternative: str | None = None
    boundaries: str | None = None
    p_value: float | None = None
    min_n: int = 1
    looks: Sequence[int] | None = None
    max_n: int | None = None
    at_limit: str = "undecided"
    lower: float = field(init=False)
    upper: float = field(init=False)

    def __post_init__(self) -> None:
        check_rates(self.alpha, self.beta)
        self._settle_alternative()
        self._settle_limits()
        self._settle_boundaries()
        with allowance(self.given):
            lower, upper = self._solve()
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @cached_property
    def given(self) -> str:
        """What is asked for, in words for a refusal."""
        rules = [f"{name} = {getattr(self, name)!r}" for name in ("alpha", "beta", "max_n") if getattr(self, name)]
        looks = [] if self.looks is None else [f"{len(self.looks)} looks"]
        return f"model: {self.model!r}, {self.alternative}, with {', '.join(rules + looks)}"

    @cached_property
    def certificate(self) -> "Certificate":
        """The achieved error rates, P(inconclusive), expected n and how they were computed."""
        from sprt.certificate import certify  # the certificate is computed from a finished design

        return certify(self)

    @cached_property
    def is_two_sided(self) -> bool:
        """Whether the likelihood ratio is the mixture of h1 and its mirror image."""
        return self.alternative == "two_sided"

    @cached_property
    def p_line(self) -> float:
        """The line of the p rule, log(1/p_value); inf without one."""
        return math.inf if self.p_value is None else -math.log(self.p_value)

    @cached_property
    def effective_upper(self) -> float:
        """The lowest line at which H1 is accepted."""
        return min(self.upper, self.p_line)

    @cached_property
    def levels(self) -> tuple[float, float, float, float]:
        """What a walk is compared with: upper, lower and p line with the tolerance for ties, and the limit (or inf)."""
        return self.upper - TIE, self.lower + TIE, self.p_line - TIE, float(self.max_n or math.inf)

    @cached_property
    def midpoint(self) -> float:
        """The cut at the limit under `midpoint`."""
        return 0.5 * (self.lower + self.effective_upper)

    @cached_property
    def look_array(self) -> FloatArray | None:
        """The looks as numbers, the limit included; None if every n is one."""
        if self.looks is None:
            return None
        looks = np.asarray(self.looks, dtype=np.float64)
        return np.append(looks, float(self.max_n)) if self.max_n and looks[-1] < self.max_n else looks

    @cached_property
    def look_set(self) -> frozenset[int] | None:
        """The looks as a set, the limit included; None if every n is one."""
        return None if self.look_array is None else frozenset(int(n) for n in self.look_array)

    def is_tested(self, n: int) -> bool:
        """Return whether the rules are tested at n."""
        return n >= self.min_n and (self.look_set is None or n in self.look_set)

    def _settle_alternative(self) -> None:
        if not isinstance(self.model, Family):
            raise DesignError(f"model: {self.model!r} given, one of the families is allowed")
        if self.alternative is None:
            object.__setattr__(self, "alternative", self.model.direction)
        if self.alternative not in ALTERNATIVES:
            raise DesignError(f"alternative: {self.alternative!r} given, one of {', '.join(ALTERNATIVES)} is allowed")
        if self.is_two_sided and not self.model.has_two_sided:
            raise DesignError(f"alternative: 'two_sided' given, {self.model.name} allows greater or less")
        if self.is_two_sided and isinstance(self.model, LinearFamily):
            _ = self.model.mixture  # refuses a mirror image outside the family's space
        if not self.is_two_sided and self.alternative != self.model.direction:
            raise DesignError(
                f"alternative: {self.alternative!r} given, but h1 = {self.model.h1!r} lies on the other side of "
                f"h0 = {self.model.h0!r}; {self.model.direction!r} or 'two_sided' is allowed"
            )

    def _settle_limits(self) -> None:
        object.__setattr__(self, "min_n", whole("min_n", self.min_n))
        if self.looks is not None:
            looks = check_looks(self.looks)
            object.__setattr__(self, "looks", looks)
            if self.max_n is None:
                object.__setattr__(self, "max_n", looks[-1])
        if self.max_n is not None:
            object.__setattr__(self, "max_n", whole("max_n", self.max_n))
            if self.min_n > self.max_n:
                raise DesignError(f"min_n: {self.min_n} given, at most max_n = {self.max_n} is allowed")
            if self.looks is not None and self.looks[-1] > self.max_n:
                raise DesignError(f"looks: {self.looks[-1]} given, at most max_n = {self.max_n} is allowed")
        if self.at_limit not in AT_LIMIT:
            raise DesignError(f"at_limit: {self.at_limit!r} given, one of {', '.join(AT_LIMIT)} is allowed")

    def _settle_boundaries(self) -> None:
        if self.p_value is not None:
            require_finite(p_value=self.p_value)
            if not 0.0 < self.p_value <= self.alpha:
                raise DesignError(
                    f"p_value: {self.p_value!r} given, a number above 0 and at most alpha = {self.alpha!r} is allowed "
                    "(the type I error could reach it)"
                )
            if not self.model.has_p_rule:
                raise DesignError(f"p_value: {self.p_value!r} given, none is allowed: {self.model.p_kind}")
        if self.boundaries is None:
            replaced = "none" if self.beta is None else "lower"
            object.__setattr__(self, "boundaries", "both" if self.p_value is None else replaced)
        if self.boundaries not in BOUNDARIES:
            raise DesignError(f"boundaries: {self.boundaries!r} given, one of {', '.join(BOUNDARIES)} is allowed")
        has_lower = self.boundaries != "none" and self.beta is not None
        if self.boundaries == "lower" and self.beta is None:
            raise DesignError("boundaries: 'lower' given without beta; give beta, or 'both' or 'none'")
        if not has_lower and self.max_n is None:
            raise DesignError("max_n: None given, a limit is required where there is no lower boundary")
        has_upper = self.boundaries == "both" or self.p_value is not None
        if self.at_limit == "midpoint" and not (has_lower and has_upper):
            raise DesignError("at_limit: 'midpoint' given, but it needs a lower and an upper line")
        if self.at_limit != "undecided" and self.max_n is None:
            raise DesignError(f"at_limit: {self.at_limit!r} given without max_n")
        if not has_upper and self.max_n is None:
            raise DesignError("max_n: None given, a limit is required where H1 has no line to cross")

    def _solve(self) -> tuple[float, float]:
        chosen = self.thresholds
        has_lower = self.boundaries != "none" and self.beta is not None
        has_upper = self.boundaries == "both"
        if isinstance(chosen, str):
            if chosen not in MODES:
                raise DesignError(f"thresholds: {chosen!r} given, one of {', '.join(MODES)} or a pair is allowed")
            if chosen == "wald":
                lower, upper = wald_thresholds(self.alpha, self.beta)
            elif chosen == "ville":
                lower, upper = ville_thresholds(self.alpha, self.beta)
            else:
                from sprt.calibrate import solve  # calibration evaluates designs, so it imports this module

                return solve(self)
        else:
            lower, upper = read_pair(chosen)
            object.__setattr__(self, "thresholds", tuple(chosen))
        lower = lower if has_lower else -math.inf
        upper = upper if has_upper else math.inf
        if has_lower and not -1e6 < lower < 0.0:
            raise DesignError(f"thresholds: lower {lower!r} given, a number from -1e6 to below 0 is allowed")
        if has_upper and not 0.0 < upper < 1e6:
            raise DesignError(f"thresholds: upper {upper!r} given, a number above 0 up to 1e6 is allowed")
        return lower, upper


def check_rates(alpha: float, beta: float | None) -> None:
    """Raise DesignError unless the error rates lie in (0, 1) and sum to less than 1."""
    require_finite(alpha=alpha)
    if not 0.0 < alpha < 1.0:
        raise DesignError(f"alpha: {alpha!r} given, a number strictly between 0 and 1 is allowed")
    if beta is None:
        return
    require_finite(beta=beta)
    if not 0.0 < beta < 1.0:
        raise DesignError(f"beta: {beta!r} given, a number strictly between 0 and 1 is allowed")
    if alpha + beta >= 1.0:
        raise DesignError(f"alpha + beta: {alpha + beta!r} given, a sum below 1 is allowed")


def whole(name: str, value: int) -> int:
    """Return a whole number from 1 up, or raise DesignError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= LARGEST_N:
        raise DesignError(f"{name}: {value!r} given, a whole number from 1 to {LARGEST_N} is allowed")
    return int(value)


def check_looks(looks: Sequence[int]) -> tuple[int, ...]:
    """Return the looks as increasing whole numbers, or raise DesignError."""
    try:
        values = tuple(whole("looks", n) for n in looks)
    except TypeError as cause:
        raise DesignError(f"looks: {looks!r:.80} given, increasing whole numbers are allowed") from cause
    if not values:
        raise DesignError("looks: none given, at least one is needed")
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise DesignError(f"looks: {looks!r:.80} given, increasing whole numbers are allowed")
    return values


def read_pair(pair: tuple[float | None, float | None]) -> tuple[float, float]:
    """Return (lower, upper) in nats, None read as absent, or raise DesignError."""
    try:
        low, high = pair
    except (TypeError, ValueError) as cause:
        raise DesignError(f"thresholds: {pair!r} given, a mode or a pair (lower, upper) is allowed") from cause
    lower, upper = -math.inf if low is None else low, math.inf if high is None else high
    for name, value in (("lower", lower), ("upper", upper)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or math.isnan(value):
            raise DesignError(f"thresholds: {name} {value!r} given, a number is allowed")
    return float(lower), float(upper)
