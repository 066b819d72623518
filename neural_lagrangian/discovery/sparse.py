r"""Sparse regression of a Lagrangian on recorded motion (SINDy for Lagrangians)."""

from typing import Literal, NamedTuple

import numpy as np

from .._checks import positive_integer
from ..trajectories import Trajectories
from .double_precision import double_precision, in_default_precision
from .doubts import doubts
from .found import FoundLagrangian, warn_if_undetermined
from .library import Library
from .noisy_motion import windows_of, without_noise
from .observations import Observations, Samples, at_samples, in_windows
from .observations import window_samples as _window
from .parts import notes_on_parts
from .selection import Selection, chosen_by_terms
from .term_columns import Independent
from .uniform_motion import uniform_coordinates


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
    r"""Finds the simplest Lagrangian of a library that explains recorded motion, by sparse regression.

    The error of acceleration $r = M^{-1} (M a + h)$ is minimised over the linearly independent terms. Backward
    elimination removes terms, and the extended Bayesian information criterion selects among the formulas.

    - Without accelerations, the weak form is used: averages over windows, which need no derivative of the data.
    - For noisy states, terms are weighted by their effect on the recorded states, and rollouts refine the coefficients.
    - Linear damping $Q = -D v$ is added if it explains enough: see `damping` and `force` of the result.
    - Recorded controls enter as a force $G u$; $G$ is fitted together with the coefficients: see `control`.

    Identifiability is checked on recombined states, whose coordinates and velocities are drawn from the data
    independently. If formulas that agree on the data differ there, as for a single orbit, no formula is returned.

    If parts of the system do not interact, motion does not determine the ratio of their scales. Then each part has one
    half at a squared velocity, the standard errors of all parts but the first are infinite, and the notes name the
    parts.

    **Arguments:**

    - `trajectories`: the motion; its accelerations are used if there are any. It is split at gaps of the recording.
    - `library`: candidate terms, with a kinetic energy among them.
    - `method`: "accelerations", "weak", or "auto" (default), which uses accelerations if there are any, unless the
      states are noisy.
    - `window`: samples in a window of the weak form (default: half the shortest period of the motion, at most a quarter
      of the longest trajectory).
    - `tolerance`: numerical error of the accelerations, relative to their root mean square (default: 1e-3). Terms that
      explain less are ignored.
    - `largest_residual`: largest relative residual of the accelerations (default: 0.5); above it no formula is
      returned. Noise does not count in a coordinate that moves uniformly within its noise.
    - `rows`: most observations used, spread evenly over the motion (default: 3000). More take longer and change little.

    **Returns:** a `FoundLagrangian` without scale, constant and gauge function, which data do not determine. Without a
    formula an `UndeterminedWarning` is given, and `missing` says which data to record. Standard errors assume
    independent errors of acceleration for clean states, and come from the fit by rollouts for noisy states. All is
    computed in double precision.

    **Raises:** `EquationsError` for a library without a kinetic energy, and for terms that are not finite at the data;
    `ValueError` for invalid arguments, and for a library with another dof than the data.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> Library, t = nl.discovery.Library, np.linspace(0.0, 6.0, 121)
    >>> swings = [a * np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1) for a in (1.0, 2.0)]  # k / m = 4
    >>> library = Library.coordinates(1, 2) + Library.velocities(1, 2)
    >>> found = nl.discovery.sparse_lagrangian(nl.Trajectories([t, t], swings), library)
    >>> {name: round(float(c), 3) for name, c in found.formula.named.items()}
    {'q^2': -2.0, 'v^2': 0.5}
    ```
    """
    if method not in ("auto", "accelerations", "weak"):
        raise ValueError(f"`method` is {method!r}; expected 'auto', 'accelerations' or 'weak'")
    if method == "accelerations" and trajectories.accelerations is None:
        raise ValueError("`method` is 'accelerations', but `trajectories` has none; choose 'weak' or 'auto'")
    if trajectories.parameters is not None:
        raise ValueError(
            "`trajectories` have parameters, which this search does not use; expected the motion of one system, or of "
            "several with one formula (leave the parameters out)"
        )
    if trajectories.dof != library.dof:
        raise ValueError(f"`library` has dof {library.dof}; expected {trajectories.dof}, the dof of `trajectories`")
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` is {tolerance}; expected a number between 0 and 1")
    rows = positive_integer("rows", rows)
    with double_precision():
        found = _found(trajectories.split_at_gaps(), library, method, window, tolerance, largest_residual, rows)
    return warn_if_undetermined(in_default_precision(found))


class Observed(NamedTuple):
    """Motion prepared for the search.

    - `recorded`, `smooth`: motion as recorded, and smoothed. `noise`: of each channel. `noisy`: whether noise matters.
    - `length`: samples of a window. `pointed`: whether observations are single samples with accelerations.
    - `observations`: the terms evaluated on the motion.
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
        reason = "no combination of the terms has a regular mass matrix: add terms to the library"
        return _nothing(library, reason, observed)
    uniform = uniform_coordinates(seen.recorded, seen.noise)
    missing, notes = doubts(choice, seen.smooth, library, observed, uniform, seen.pointed, tolerance, largest_residual)
    notes += notes_on_parts(named.names, named.parts, named.spread, named.c)
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
    """Prepares the motion; returns a result without a formula if the data do not suffice."""
    states = Samples.of(recorded).states
    if not (np.ptp(states, axis=0) > 0).all():
        still = int(np.argmin(np.ptp(states, axis=0)))
        return _nothing(library, f"column {still} of the states never changes: record motion in which it moves")
    smooth, noise, noisy = without_noise(recorded, tolerance)
    length = _window(smooth, Samples.of(smooth).states) if window is None else window
    pointed = recorded.accelerations is not None and method != "weak"
    if pointed and method == "auto" and noisy:  # averages over windows have the least bias from noise
        pointed = int((recorded.lengths // max(1, length // 2)).sum()) * library.dof < 4 * len(library)
    observed = at_samples(smooth, library, rows) if pointed else in_windows(smooth, library, length, rows)
    if isinstance(observed, str):
        return _nothing(library, observed)
    terms = len(observed.independent.kept)
    if observed.balance.rows < 2 * terms:
        reason = (
            f"{terms} candidate terms need at least {2 * terms} equations, but the data give {observed.balance.rows}: "
            "record longer, or use a smaller library"
        )
        return _nothing(library, reason, observed)
    return Observed(recorded, smooth, noise, noisy, length, pointed, observed)


def _nothing(library: Library, reason: str, observed: Observations | None = None) -> FoundLagrangian:
    independent = Independent((), ()) if observed is None else observed.independent
    used = None if observed is None else observed.used
    unknown = float("nan")
    reasons = (reason,)
    return FoundLagrangian(
        None, None, None, None, None, None, unknown, unknown, reasons, (), library, independent, used=used
    )
