"""How long designs, characteristics and folds take on this machine, beside what they must reach.

Run as `python -m bench.design`. Times are the best of several runs of one process, so that a busy machine shows least.
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import sprt
from sprt import Bernoulli, Design, Exponential, Family, Normal, Poisson, characteristics, fold, init
from sprt.memoryless import make_ramp
from sprt.nystrom import make_strip


@dataclass(frozen=True)
class Bar:
    """One measurement: what is done, how often it is tried, and what it must reach."""

    name: str
    work: Callable[[], object]
    tries: int
    allowed: float  # seconds
    observations: int = 0  # if any, a rate is shown, and `allowed` is the time that the rate bar gives them


def machine() -> str:
    """Return this machine in a line: processor, cores, Python and numpy."""
    info = Path("/proc/cpuinfo")
    names = (
        [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    processor = names[0].split(":", 1)[1].strip() if names else platform.processor() or platform.machine()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{processor}, {os.cpu_count()} cores{load}; Python {platform.python_version()}, numpy {np.__version__}"


def folding() -> Callable[[], object]:
    """Return the fold of ten million Bernoulli observations over a thousand experiments, none of which ends."""
    design = Design(Bernoulli(0.5, 0.51), 1e-6, 1e-6, thresholds="wald")
    batches = (np.random.default_rng(1).random((1_000, 10_000)) < 0.505).astype(np.float64)

    def work() -> int:
        return sum(fold(design, init(design), batch)[0].n for batch in batches)

    return work


def cold(work: Callable[..., object], *arguments: Any, **named: Any) -> object:
    """Return what the work returns, with nothing remembered from the run before."""
    make_strip.cache_clear()
    make_ramp.cache_clear()
    return work(*arguments, **named)


def wald(model: Family) -> Design:
    """Return a design with Wald's thresholds."""
    return Design(model, 0.05, 0.1, thresholds="wald")


def bars() -> list[Bar]:
    """Return the measurements."""
    thetas = np.linspace(0.0, 1.0, 101)
    rare, fine = Bernoulli(0.1, 0.3), Bernoulli(0.5, 0.51)
    near, far = Normal(0.0, 0.1), Normal(0.0, 0.2)
    grids: dict[Family, Any] = {
        rare: thetas,
        far: thetas - 0.4,
        Poisson(2.0, 3.0): 5.0 * thetas + 0.5,
        Exponential(1.0, 1.5): 3.0 * thetas + 0.3,
    }
    return [
        Bar("exact design, Bernoulli .1/.3 to 200", partial(cold, Design, rare, 0.05, 0.1, max_n=200), 15, 0.1),
        Bar("exact design, Bernoulli .1/.3 without limit", partial(cold, Design, rare, 0.05, 0.1), 5, 1.0),
        Bar("exact design, Bernoulli .5/.51 to 100 000", partial(cold, Design, fine, 0.01, 0.05, max_n=100_000), 1, 10),
        Bar("exact design, normal delta .2", partial(cold, Design, far, 0.05, 0.1), 3, 1.0),
        Bar("exact design, normal delta .1", partial(cold, Design, near, 0.05, 0.05), 3, 1.0),
        *(
            Bar(
                f"characteristics on 101 thetas, {model.name}",
                partial(cold, characteristics, wald(model), grid),
                3,
                1.0,
            )
            for model, grid in grids.items()
        ),
        Bar("fold, 10 million Bernoulli over 1 000 experiments", folding(), 3, 0.1, 10_000_000),
    ]


def main() -> int:
    """Print one line per bar; return 1 if one is missed."""
    print(machine(), f"; sprt of {Path(sprt.__file__).parent.name}/")
    missed = 0
    for bar in bars():
        taken = min(timed(bar.work) for _ in range(bar.tries))
        missed += taken > bar.allowed
        verdict = "ok" if taken <= bar.allowed else "MISSED"
        if bar.observations:
            rate, wanted = bar.observations / taken / 1e6, bar.observations / bar.allowed / 1e6
            print(f"{bar.name:55} {rate:8.0f} M/s   bar {wanted:6.0f} M/s   {verdict}")
        else:
            print(f"{bar.name:55} {taken:8.3f} s     bar {bar.allowed:6.1f} s     {verdict}")
    return int(missed > 0)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds one run takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
