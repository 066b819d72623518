r"""`estimate_spread`: how different the runs of a population are.

The values of all runs and their spread cannot be trained together: the spread would shrink to zero, since the joint
density of a hierarchical model has no maximum. Instead, the spread maximises the marginal likelihood, in which the
values are integrated out, in the Gaussian approximation at the present estimates:

$$\varsigma^2 = \frac1R \sum_r \mathbb{E} (\pi_r - \mu)^2
  = \frac1R \sum_r (\hat\pi_r - \mu)^2 + \mathrm{var}\, \pi_r.$$
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from ..integrators import without_integration
from ..networks import Frozen, unfrozen
from ..numerics import trained_and_rest
from ..trajectories import Trajectories
from .determination import of_observations
from .information import undetermined_share
from .likelihood import check_recording
from .linearized import with_known_noise
from .observed import Observed

ROUNDS = 500
"""Largest number of rounds of expectation and maximisation."""
ROUND_OFF = 1e-6
"""Relative change of spreads below which the rounds end."""
MIN_SPREAD_PER_ERROR = 0.05
"""Smallest spread over the standard error of a value. Below it the runs look alike, and zero cannot be a spread."""


def estimate_spread(model: Observed, trajectories: Trajectories, *, horizon: int = 100, stride: int = 1) -> Observed:
    """Estimate how different the runs of a population are, after training (empirical Bayes).

    Alternate it with training: three rounds of `gauss_newton` and `estimate_spread` are enough as a rule. Trained means
    are moved too.

    **Arguments:**

    - `model`: a trained `Observed` model with a `Population`.
    - `trajectories`, `horizon`, `stride`: as for `information`.

    **Returns:** the model with new spreads, means and values.

    **Raises:** `ValueError` if the model has no population, or all of its spreads are known.

    **Example:** Twelve springs whose stiffnesses are spread by 0.5.

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Normal, Observed, Population, Position, Sensor, estimate_spread
    >>> spring = nl.networks.Conditioned(lambda t, q, v, p: (v @ v - p["k"] * q @ q) / 2, {"k": 4.0})
    >>> ts, ks = np.linspace(0.0, 2.0, 21), 4.0 + 0.5 * np.tile([-1.0, 1.0], 6)
    >>> ys = np.stack([np.stack([np.cos(w * ts), -w * np.sin(w * ts)], axis=1) for w in np.sqrt(ks)])
    >>> seen = {"place": ys[:, :, 0]}
    >>> motion = nl.Trajectories(ts, ys, observations=seen, parameters={"run": np.arange(12)})
    >>> runs = Population({"k": Normal(mean=4.0, spread=2.0)}, motion)
    >>> steps = nl.StepsPerSample(1)
    >>> model = nl.NeuralLagrangian.from_lagrangian(spring, dof=1, stepsize_controller=steps)
    >>> rig = Observed(model, {"place": Sensor(Position(), noise=0.01)}, population=runs)
    >>> options = {"residual": nl.observation.observation_residual, "horizon": 20, "steps": 8}
    >>> found = estimate_spread(nl.training.gauss_newton(rig, motion, **options).model, motion, horizon=20)
    >>> round(float(found.population.means["k"]), 1), round(float(found.population.spreads["k"].value), 1)
    (4.0, 0.5)
    ```
    """
    check_recording(model, trajectories)
    population = model.population
    if population is None or not population.estimated:
        found = "no population" if population is None else "a population whose spreads are all known"
        raise ValueError(f"`model` has {found}; expected `Observed(..., population=...)` with a spread to estimate")
    _, matrix, _ = of_observations(with_known_noise(model), trajectories, horizon, stride)
    values = np.stack([np.asarray(value) for value in population.values.values()])
    parts: Any = unfrozen((population.means, population.spreads))
    means, spreads = (np.array([float(part[name]) for name in population.names]) for part in parts)
    trained_means = np.array([not isinstance(mean, Frozen) for mean in population.means.values()])
    trained_spreads = np.isin(population.names, population.estimated)
    alone = _of_values(with_known_noise(model), np.asarray(matrix, float))
    found = _most_likely(alone, values, means, spreads, trained_means, trained_spreads)
    return _with(model, *found)


def _of_values(model: Any, matrix: np.ndarray) -> np.ndarray:
    """The information of the values of runs, without the other trained numbers."""
    trained, _ = trained_and_rest(without_integration(model))
    marked = eqx.tree_at(
        lambda m: list(m.population.values.values()),
        jax.tree.map(np.zeros_like, trained),
        [np.ones_like(value) for value in trained.population.values.values()],
    )
    own = np.asarray(ravel_pytree(marked)[0]) > 0
    other, coupling = matrix[np.ix_(~own, ~own)], matrix[np.ix_(own, ~own)]
    size = np.sqrt(np.diagonal(other))
    unit = 1 / np.where(size > 0, size, 1)  # in which the diagonal is one
    cut = undetermined_share(model.population.counts.value.dtype)
    inverse = np.linalg.pinv(other * np.outer(unit, unit), rcond=cut, hermitian=True) * np.outer(unit, unit)
    return matrix[np.ix_(own, own)] - coupling @ inverse @ coupling.T


def _most_likely(
    information: np.ndarray,
    values: np.ndarray,
    means: np.ndarray,
    spreads: np.ndarray,
    trained_means: np.ndarray,
    trained_spreads: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values `(parameter, run)`, means and spreads of the largest marginal likelihood, by expectation-maximisation."""
    shape, runs = values.shape, values.shape[1]
    # What the observations say alone: the gradient of the posterior vanishes at the present values.
    target = information @ values.ravel() + ((values - means[:, None]) / spreads[:, None] ** 2).ravel()
    for _ in range(ROUNDS):
        precision = np.repeat(spreads**-2, runs)
        covariance = np.linalg.inv(information + np.diag(precision))
        values = (covariance @ (target + precision * np.repeat(means, runs))).reshape(shape)
        errors = np.diag(covariance).reshape(shape)
        means = np.where(trained_means, values.mean(axis=1), means)
        square = np.mean((values - means[:, None]) ** 2 + errors, axis=1)
        told = np.sqrt(1 / np.maximum(np.diag(information).reshape(shape), np.finfo(float).tiny)).min(axis=1)
        new = np.where(trained_spreads, np.maximum(np.sqrt(square), MIN_SPREAD_PER_ERROR * told), spreads)
        change, spreads = np.max(np.abs(np.log(new / spreads))), new
        if change < ROUND_OFF:
            break
    return values, means, spreads


def _with(model: Observed, values: np.ndarray, means: np.ndarray, spreads: np.ndarray) -> Observed:
    population: Any = model.population
    dtype = population.counts.value.dtype

    def like(old: Any, new: Any) -> Any:
        array = jax.numpy.asarray(new, dtype)
        return Frozen(array) if isinstance(old, Frozen) else array

    parts = [
        {name: like(old, x) for (name, old), x in zip(part.items(), new, strict=True)}
        for part, new in ((population.values, values), (population.means, means), (population.spreads, spreads))
    ]
    return eqx.tree_at(lambda m: [m.population.values, m.population.means, m.population.spreads], model, parts)
