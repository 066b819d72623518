r"""A Lagrangian's formula straight from motion (sparse identification of nonlinear dynamics, for Lagrangians)."""

from typing import Literal, NamedTuple

import numpy as np

from .._checks import positive_integer
from ..trajectories import Trajectories
from .columns import Independent
from .double_precision import double_precision, in_default_precision
from .found import FoundLagrangian, warn_if_undetermined
from .judging import judged
from .library import Library
from .observations import Observations, Samples, at_samples, in_windows
from .observations import window_samples as _window
from .parts import described
from .refinement import windows_of, without_noise
from .selection import Selection, chosen_by_terms


def sparse_lagrangian(
    trajectories: Trajectories,
    library: Library,
    *,
    method: Literal["auto", "accelerations", "weak"] = "auto",
    window: int | None = None,
    tolerance: float = 1e-3,
    largest_residual: float = 0.5,
    rows: int = 3000,
) -> FoundLagrangian:
    r"""The simplest Lagrangian of a library that has the observed motion.

    What is minimised is the error of accelerations, $r = M^{-1} (M a + h)$ (see `Balance`), by Gauss-Newton, over the
    terms that motion can tell apart. Terms are left out one by one, and the extended Bayesian information criterion
    chooses among the formulas. Without accelerations, the weak form takes averages over windows of the motion
    instead, which need no derivative of the data. Where states are noisy, terms are weighed by what they do to the
    recorded states instead, to first order, and coefficients are refined by rollouts.

    The answer is checked on states that the data do not hold: their coordinates and velocities recombined at random.
    Where formulas that agree on the data differ there, as they do for a single orbit, there is no formula.

    **Arguments:**

    - `trajectories`: the motion. `accelerations` are used if they are there.
    - `library`: candidate terms, a kinetic energy among them.
    - `method`: "accelerations", "weak", or "auto": the former where there are accelerations, and states without noise.
    - `window`: samples in a window of the weak form; `None` means half the shortest period of the motion, and
      a quarter of the longest trajectory at most.
    - `tolerance`: errors of acceleration, over their root mean square, that are no noise: of integration, of
      quadrature. Terms that explain no more are not looked for.
    - `rows`: most observations that are used, spread evenly over the motion. More cost time and tell little; the answer
      says how many were used.
    - `largest_residual`: what may be left unexplained of the accelerations; where more is, there is no formula.

    Where linear damping $Q = -D v$ explains what no Lagrangian of the library does, it is found beside the formula:
    `damping` and `force` of what is returned. Recorded controls enter as a force $G u$, and the entries of $G$ are
    found with the coefficients: `control`. Of parts that do not act on each other motion does not tell the ratio of
    their scales: each has one half at a square of a velocity, all but the first have infinite standard errors, and the
    notes name them. Nothing crosses a gap of the recording. All is computed in double precision.

    **Returns:** a `FoundLagrangian`, without scale, constant and gauge function: data do not tell them. An
    `UndeterminedWarning` is given where it has no formula, and its `missing` says which data would do. Standard errors
    are those of independent errors of acceleration where states are clean, and those of the refined coefficients where
    they are noisy.

    **Raises:** `EquationsError` for a library without a kinetic energy, and terms that are not finite at the data;
    `ValueError` for arguments that make no sense, and a library of other degrees of freedom than the data.
    """
    if method not in ("auto", "accelerations", "weak"):
        raise ValueError(f"`method` is {method!r}; expected 'auto', 'accelerations' or 'weak'")
    if method == "accelerations" and trajectories.accelerations is None:
        raise ValueError("`method` is 'accelerations', but `trajectories` has none")
    if trajectories.dof != library.dof:
        raise ValueError(f"`library` has dof {library.dof}; expected {trajectories.dof}, as `trajectories` has")
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` is {tolerance}; expected a number between 0 and 1")
    rows = positive_integer("rows", rows)
    with double_precision():
        found = _found(trajectories.split_at_gaps(), library, method, window, tolerance, largest_residual, rows)
    return warn_if_undetermined(in_default_precision(found))


class Observed(NamedTuple):
    """The motion as `recorded`, and `smooth` where it has `noise`; samples of a window, and what observations say.

    `pointed`: whether these are single samples with their accelerations.
    """

    recorded: Trajectories
    smooth: Trajectories
    noise: np.ndarray
    noisy: bool
    length: int
    pointed: bool
    observations: Observations


def _found(
    trajectories: Trajectories,
    library: Library,
    method: str,
    window: int | None,
    tolerance: float,
    largest_residual: float,
    rows: int,
) -> FoundLagrangian:
    seen = _observed(trajectories, library, method, window, tolerance, rows)
    if isinstance(seen, FoundLagrangian):
        return seen
    observed = seen.observations
    motion = windows_of(seen.recorded, seen.smooth, seen.length) if seen.noisy else None
    if motion is None:
        choice = chosen_by_terms(observed, library, tolerance)
    else:
        choice = Selection(library, observed, motion, seen.noise, tolerance).chosen()
    fitted, named = choice.fitted, choice.named
    if not np.isfinite(fitted.residual):
        reason = "no combination of the terms has a regular mass matrix: the library lacks a term"
        return _nothing(library, reason, observed)
    missing, notes = judged(choice, seen.smooth, library, observed, seen.pointed, tolerance, largest_residual)
    notes += described(named.names, named.parts, named.spread, named.c)
    damping, control = named.matrices(named.c)
    damping_errors, control_errors = named.matrices(named.reported)
    return FoundLagrangian(
        None if missing else named.formula,
        named.formula,
        None,
        None,
        None,
        damping,
        fitted.residual,
        fitted.gap,
        tuple(missing),
        tuple(notes),
        library,
        observed.independent,
        damping_errors,
        control,
        control_errors,
        observed.used,
    )


def _observed(
    recorded: Trajectories, library: Library, method: str, window: int | None, tolerance: float, rows: int
) -> Observed | FoundLagrangian:
    """What there is to find a formula from; or that nothing is found, and why."""
    states = Samples.of(recorded).states
    if not (np.ptp(states, axis=0) > 0).all():
        still = int(np.argmin(np.ptp(states, axis=0)))
        return _nothing(library, f"column {still} of the states never changes: let it move")
    smooth, noise, noisy = without_noise(recorded, tolerance)
    length = _window(smooth, Samples.of(smooth).states) if window is None else window
    pointed = recorded.accelerations is not None and method != "weak"
    if pointed and method == "auto" and noisy:  # averages over windows are shifted least by noise in the states
        pointed = int((recorded.lengths // max(1, length // 2)).sum()) * library.dof < 4 * len(library)
    observed = (at_samples if pointed else in_windows)(smooth, library, length, rows)
    if isinstance(observed, str):
        return _nothing(library, observed)
    terms = len(observed.independent.kept)
    if observed.balance.rows < 2 * terms:
        reason = f"{observed.balance.rows} equations for {terms} terms are too few: record more, or offer fewer terms"
        return _nothing(library, reason, observed)
    return Observed(recorded, smooth, noise, noisy, length, pointed, observed)


def _nothing(library: Library, reason: str, observed: Observations | None = None) -> FoundLagrangian:
    told = Independent((), ()) if observed is None else observed.independent
    used = None if observed is None else observed.used
    unknown = float("nan")
    reasons = (reason,)
    return FoundLagrangian(None, None, None, None, None, None, unknown, unknown, reasons, (), library, told, used=used)
