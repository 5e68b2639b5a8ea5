"""Law of the stopping time of a normal walk without limit under a strong drift: one linear system for each theta.

Under a strong drift the eigenbasis of `sprt.nystrom` would lose digits in the tilt, so the step keeps its drift here:
`u_{k+1} = K u_k`, u the mass at the nodes, and sums over all steps solve `(1 - K) s = u`.
"""

import math
from typing import Final

import numpy as np
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu

from sprt.arrays import FloatArray
from sprt.cost import spend
from sprt.nystrom import Strip, first_test, leaving
from sprt.stopping import CLOSE, Law

NEGLIGIBLE: Final = 1e-20  # entries of a step's matrix below this change no figure


def steep_law(strip: Strip, tau: FloatArray, n: int, levels: tuple[float, ...]) -> Law:
    """Return the law of a test without limit whose walk stands at `n`, each tau by itself."""
    h1, h0 = first_test(strip, tau)
    above, below = leaving(strip, tau)
    lead = float(strip.lead)
    mean, variance = np.empty(tau.shape[0]), np.empty(tau.shape[0])
    quantiles = {level: np.empty(tau.shape[0]) for level in levels}
    for k in range(tau.shape[0]):
        step, first = drifting(strip, float(tau[k]))
        solve = splu(eye_array(first.shape[0], format="csc") - step, permc_spec="NATURAL").solve
        total = solve(first)
        expected, later = float(total.sum()), float(solve(total).sum())
        h1[k] += float(above[k] @ total)
        h0[k] += float(below[k] @ total)
        mean[k] = lead + expected
        variance[k] = max(2.0 * later - expected - expected**2, 0.0)
        for level, steps in zip(levels, steps_until(step, first, levels), strict=True):
            quantiles[level][k] = n + strip.lead + steps
    return Law(
        p_accept_h1=h1,
        p_accept_h0=h0,
        p_undecided=np.zeros(tau.shape[0]),
        mean_n=n + mean,
        sd_n=np.sqrt(variance),
        quantiles=quantiles,
        mass_error=np.abs(1.0 - h1 - h0),
    )


def drifting(strip: Strip, tau: float) -> tuple[csc_array, FloatArray]:
    """Return the matrix of one step with its drift, a band, and the mass at the nodes after the first test."""
    weight = strip.root**2
    drift, spread = strip.sigma**2 * tau, strip.sigma * math.sqrt(strip.lead)
    spend(1e-7 * float(strip.node.shape[0]) ** 2)
    z = (strip.node[:, None] - strip.node[None, :] - drift) / strip.sigma
    step = np.exp(-0.5 * z * z) * (weight / (strip.sigma * math.sqrt(2.0 * math.pi)))[:, None]
    begin = (strip.node - strip.llr - strip.lead * drift) / spread
    first = np.exp(-0.5 * begin * begin) * weight / (spread * math.sqrt(2.0 * math.pi))
    return csc_array(np.where(step > NEGLIGIBLE, step, 0.0)), first


def steps_until(step: csc_array, first: FloatArray, levels: tuple[float, ...]) -> list[int]:
    """Return, for each level, after how many more steps the walk has ended with at least that probability."""
    left = [1.0 - level + CLOSE for level in levels]
    found, mass, taken = [0] * len(levels), first, 0
    alive = float(mass.sum())
    while any(alive > share for share in left):
        spend(1e-5 + 2e-9 * step.nnz)
        mass = step @ mass
        taken += 1
        for k, share in enumerate(left):
            if alive > share:
                found[k] = taken
        alive = float(mass.sum())
    return found
