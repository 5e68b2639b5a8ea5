"""What the design was expected to do, from its certificate: a table, the law of n, where the realised n lies in it."""

from functools import lru_cache
from typing import Any, Final

import numpy as np

import sprt
from exporter.archive import Archive
from exporter.numbers import shown
from exporter.report.axes import axis

_NAMES = ("H0", "midway", "H1")
_STYLES = ("h0", "rule", "h1")
#: Walks per parameter value, of a family whose law has no closed form: the picture needs no more.
_WALKS: Final = 400
_SEED: Final = 20_261
_LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_LONGEST: Final = 20_000  # a limit beyond which nothing is simulated for a picture


def planned_table(archive: Archive) -> list[list[str]]:
    """Return a row per parameter value: its name and value, the three outcomes' probabilities, n in four figures."""
    planned = _planned(archive)
    if planned is None:
        return []
    quantiles = _quantiles(planned)
    columns = [planned[name] for name in ("theta", "p_accept_h1", "p_accept_h0", "p_undecided", "mean_n", "sd_n")]
    columns += [dict(quantiles)[level] for level in (0.5, 0.95) if level in dict(quantiles)]
    return [
        [name, *(_brief(value) for value in row)] for name, row in zip(_NAMES, zip(*columns, strict=True), strict=True)
    ]


def law_figure(archive: Archive) -> dict[str, Any] | None:
    """Return P(the run has ended by n) under each parameter value, through the quantiles, and the realised n."""
    planned = _planned(archive)
    if planned is None:
        return None
    quantiles, n = _quantiles(planned), archive.decision.n
    right = 1.04 * max(float(n), *(value for _, values in quantiles for value in values), 10.0)
    lines = [
        {
            "style": style,
            "name": f"{name}" if name == "midway" else f"under {name}",
            "points": [[0.0, 0.0], *([values[place], level] for level, values in quantiles)],
        }
        for place, (name, style) in enumerate(zip(_NAMES, _STYLES, strict=True))
    ]
    return {
        "x": axis("n at the stop", 0.0, right, about=5, whole=True),
        "y": axis("probability that the run has ended", 0.0, 1.0, about=5),
        "levels": [],
        "shaded": [],
        "walls": [{"at": n, "text": ""}],
        "lines": lines,
        "sides": [],
        "point": None,
    }


def percentile(archive: Archive, which: str) -> str | None:
    """Return between which planned percentiles the realised n lies under a hypothesis."""
    planned = _planned(archive)
    if planned is None:
        return None
    place = {"h0": 0, "h1": 2}[which]
    levels = [(level, values[place]) for level, values in _quantiles(planned)]
    below = [level for level, n in levels if n <= archive.decision.n]
    above = [level for level, n in levels if n > archive.decision.n]
    under = f"under {which.upper()}"
    if not below:
        return f"It lies below the {100 * above[0]:g} % point {under}"
    if not above:
        return f"It lies above the {100 * below[-1]:g} % point {under}"
    return f"It lies between the {100 * below[-1]:g} % and {100 * above[0]:g} % points {under}"


def _planned(archive: Archive) -> dict[str, Any] | None:
    planned: dict[str, Any] = archive.defined.certificate.get("planned") or {}
    if not planned.get("theta"):
        return _simulated(archive.design)
    is_whole = len(planned.get("theta") or []) == len(_NAMES) and planned.get("quantiles")
    return planned if is_whole and all(_finite(values) for values in planned["quantiles"].values()) else None


def planned_method(archive: Archive) -> str:
    """Return how the planned figures were computed, empty where there are none."""
    planned = _planned(archive) or {}
    return str(planned.get("method") or "").capitalize() + ("." if planned.get("method") else "")


@lru_cache(maxsize=8)
def _simulated(design: sprt.Design) -> dict[str, Any] | None:
    """Return the planned figures from seeded walks, for a design with a limit; the same ones for equal designs."""
    model = design.model
    if design.max_n is None or design.max_n > _LONGEST:
        return None
    theta = [model.h0, (model.h0 + model.h1) / 2, model.h1]
    runs = [sprt.simulate(design, value, _WALKS, np.random.default_rng(_SEED)) for value in theta]
    return {
        "theta": theta,
        **{
            name: [float((run.outcome == side).mean()) for run in runs]
            for name, side in (("p_accept_h1", 1), ("p_accept_h0", -1), ("p_undecided", 0))
        },
        "mean_n": [float(run.n.mean()) for run in runs],
        "sd_n": [float(run.n.std()) for run in runs],
        "quantiles": {
            str(level): [float(np.quantile(run.n, level, method="inverted_cdf")) for run in runs] for level in _LEVELS
        },
        "method": f"simulation of {_WALKS} walks per parameter value, seed {_SEED}; standard error of a probability "
        f"at most {0.5 / _WALKS**0.5:.3f}",
    }


def _finite(values: list[float | None]) -> bool:
    return all(value is not None for value in values)


def _quantiles(planned: dict[str, Any]) -> list[tuple[float, list[float]]]:
    return sorted((float(level), values) for level, values in planned["quantiles"].items())


def _brief(value: float | None) -> str:
    """Return a planned figure in four digits: it is a plan, and the exact one is in the certificate."""
    return shown(None if value is None else float(f"{value:.4g}"))
