"""How long designs, characteristics and folds take on this machine, beside what they must reach.

Run as `make bench-design`, or `python -m bench.design`; with `--write` the table goes to `bench/RESULTS.md`, too. Times
are the best of several runs of one process, so that a busy machine shows least.
"""

import argparse
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

from bench.results import write_section
from sprt import Bernoulli, Design, Exponential, Family, Normal, Poisson, characteristics, fold, init
from sprt.memoryless import make_ramp
from sprt.nystrom import discretised


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
    discretised.cache_clear()
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table to bench/RESULTS.md, too")
    arguments = parser.parse_args()
    name = machine()
    print(name)
    rows: list[tuple[str, ...]] = []
    for bar in bars():
        elapsed, busy = (min(column) for column in zip(*(timed(bar.work) for _ in range(bar.tries)), strict=True))
        verdict = "reached" if elapsed <= bar.allowed else "MISSED"
        row = (bar.name, *(shown(bar, seconds) for seconds in (elapsed, busy, bar.allowed)), verdict)
        print("{:50} {:>14}   processor {:>14}   bar {:>14}   {}".format(*row), flush=True)
        rows.append(row)
    if arguments.write:
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        write_section(
            "Designs, characteristics and folds",
            f"`make bench-design` ({name}; one thread, best of several runs).\n"
            f"By the clock, and by the processor's time, which a busy machine lengthens less.\n\n"
            f"| what | clock | processor | must reach | |\n|---|---|---|---|---|\n{table}",
        )
    return int(any(row[-1] == "MISSED" for row in rows))


def shown(bar: Bar, seconds: float) -> str:
    """Return a time, or the rate it means."""
    if bar.observations:
        return f"{bar.observations / seconds / 1e6:.0f} million/s"
    return f"{seconds:.3f} s"


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds one run takes, by the clock and of the processor."""
    begin, begun = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - begun


if __name__ == "__main__":
    sys.exit(main())
