r"""What observations determine: standard errors of sensors and constants, and what is confounded.

With the residuals $r$ over their noise, the information of all trained quantities $w$, after the initial states $x_i$
of the windows are eliminated, is

$$I = \sum_i J_{w,i}^\top J_{w,i} - J_{w,i}^\top J_{x,i} (J_{x,i}^\top J_{x,i})^{+} J_{x,i}^\top J_{w,i}.$$
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..integrators import with_integration, without_integration
from ..numerics import in_layers, trained_and_rest
from .observed import Observed

MIN_SHARE = 1e-2
"""Relative component along an undetermined direction below which a quantity is not involved in it."""
POPULATION, PRIOR = "population.", "population.means["
"""How the names of all numbers of a population begin, and of those that only the prior contains."""
MIN_SHARE_OF_PRIOR = 0.9
"""Standard error over the spread of the prior (no unit) above which a run hardly tells its parameter."""
MAX_CORRELATION = 0.995
"""Correlation (no unit) of the errors of two quantities above which they can hardly be told apart."""


def undetermined_share(dtype: Any) -> float:
    """Share of its own information that a direction must keep to be determined: round-off of the elimination."""
    return float(jnp.finfo(dtype).eps) ** 0.55


class Spectrum(NamedTuple):
    """An information matrix by its eigenvectors.

    - `lengths`: square root of the information of each trained number, if all else were known.
    - `shares`: eigenvalues of the matrix in these units: the share that is left if nothing else is known.
    - `directions`: eigenvectors, as rows.
    """

    lengths: Float[Array, " weight"]
    shares: Float[Array, " direction"]
    directions: Float[Array, "direction weight"]

    @classmethod
    def of(cls, own: Array, matrix: Array) -> "Spectrum":
        """**Arguments:** the information of each number if all else were known, and the matrix of all together."""
        lengths = jnp.sqrt(own)
        unit = jnp.where(lengths > 0, 1 / jnp.where(lengths > 0, lengths, 1), 0)
        scaled = unit[:, None] * matrix * unit[None] + jnp.diag(jnp.where(own > 0, 0.0, 1.0))
        shares, vectors = jnp.linalg.eigh(scaled)
        return cls(lengths, shares, vectors.T)


class Information(eqx.Module):
    """Which sensors and constants observations determine, and how well; the result of `information`.

    - `names`: the quantities: the trained numbers of all sensors, and all trained scalars of the model.
    - `model`: the model that was examined.
    - `values`: their values as they are trained; a coefficient declared positive is its logarithm.
    - `standard_errors`: shape `(quantity,)`; infinite for what is not determined.
    - `correlation`: correlations of the errors, shape `(quantity, quantity)`; NaN for what is not determined.
    - `hardly_observed`: unknown parameters of runs whose error is that of the prior, since their run tells little.
    - `misfit`: for each channel, the root mean square of the residuals over their noise. If it is far from one, then
      the declared noise or the model is wrong, and so are the standard errors.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, numpy as np, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor, information
    >>> ts = np.linspace(0.0, 1.0, 11)
    >>> free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v)
    >>> rig = Observed(free, {"place": Sensor(Position(), noise=0.01, offset=0.0)})
    >>> ys = np.stack([ts, np.ones(11)], axis=1)
    >>> motion = nl.Trajectories(ts, ys, observations={"place": ts})
    >>> print(*information(rig, motion, horizon=10).words())  # every place may be the origin
    sensors['place'].offset is confounded with the initial states
    ```
    """

    model: Observed
    names: tuple[str, ...] = eqx.field(static=True)
    values: Float[Array, " quantity"]
    standard_errors: Float[Array, " quantity"]
    correlation: Float[Array, "quantity quantity"]
    misfit: dict[str, float]
    hardly_observed: tuple[str, ...] = eqx.field(static=True)
    _all: Spectrum
    """With the prior of a population."""
    _observed: Spectrum
    """Of the observations alone."""

    def estimate(self, quantity: Callable[[Observed], Any]) -> tuple[float, float]:
        """Value and standard error of any scalar function of the model, to first order.

        A 95 % interval is 1.96 standard errors to each side. The error is infinite for what is not determined.

        **Arguments:**

        - `quantity`: callable from the `Observed` model to a scalar, such as `lambda m: m.sensors["angle"].delay`.
        """
        trained, rest = trained_and_rest(without_integration(self.model))
        weights, unravel = ravel_pytree(trained)

        def of(w: Array) -> Array:
            return jnp.asarray(quantity(with_integration(eqx.combine(unravel(w), rest), self.model)))

        value, gradient = jax.value_and_grad(of)(weights)
        return float(value), float(self._errors(gradient[None])[0])

    def words(self) -> list[str]:
        """One line for each thing that the observations do not determine; empty if they determine everything.

        Weights of networks have no lines of their own: a network may always have several weights for one function.
        """
        lengths, shares, directions = map(np.asarray, self._observed)
        names, weights = _names(self.model), in_layers(trained_and_rest(without_integration(self.model))[0])
        reported, has_effect = ~weights, lengths > 0
        without = [name for name in (names[i] for i in np.flatnonzero(reported & ~has_effect)) if PRIOR not in name]
        lines = [f"{name} has no effect on the observations" for name in without]
        for direction in _sparse(directions[shares <= undetermined_share(shares.dtype)], reported & has_effect):
            involved = np.flatnonzero((np.abs(direction) > MIN_SHARE) & reported & has_effect)
            with_network = np.linalg.norm(direction[weights]) > MIN_SHARE
            change = direction[involved] / lengths[involved]
            ratio = " : ".join(f"{x / change[0]:.3g}" for x in change)
            together = ", ".join(names[i] for i in involved)
            prior = "; only the prior tells them apart" if any(POPULATION in names[i] for i in involved) else ""
            if len(involved) == 1:
                other = "weights of the network" if with_network else "initial states"
                lines.append(f"{together} is confounded with the {other}")
            elif with_network:
                lines.append(f"{together} are confounded with the weights of the network: changes as {ratio}{prior}")
            else:
                lines.append(f"{together} are confounded: changes as {ratio} have no effect{prior}")
        for i, j in np.argwhere(np.triu(np.abs(np.asarray(self.correlation)) > MAX_CORRELATION, 1)):
            close = f"their errors have the correlation {self.correlation[i, j]:.4f}"
            lines.append(f"{self.names[i]} and {self.names[j]} can hardly be told apart: {close}")
        lines += [f"{name} is known by the prior alone: its run hardly tells it" for name in self.hardly_observed]
        return lines

    def _errors(self, gradients: Float[Array, "quantity weight"]) -> Float[Array, " quantity"]:
        return _errors(gradients, self._all)[0]

    def __repr__(self) -> str:
        rows = zip(self.names, np.asarray(self.values), np.asarray(self.standard_errors), strict=True)
        shown = [f"{name}: {value:.6g} +- {error:.2g}" for name, value, error in rows]
        return "\n".join([*shown, *(f"misfit of {name}: {x:.3g}" for name, x in self.misfit.items()), *self.words()])


def _sparse(free: np.ndarray, reported: np.ndarray) -> np.ndarray:
    """The undetermined directions in which reported numbers take part, shape `(direction, weight)`.

    In each, the numbers are as few as Gaussian elimination leaves, and the largest is one.
    """
    if not len(free) or not reported.any():
        return free[:0]
    U, size, V = np.linalg.svd(free[:, reported], full_matrices=False)
    kept = size > MIN_SHARE
    if not kept.any():
        return free[:0]
    V, whole = V[kept], (U.T[kept] / size[kept, None]) @ free
    order = scipy.linalg.qr(V, mode="r", pivoting=True)[-1]
    rows = np.linalg.solve(V[:, order[: len(V)]], whole)  # each of these numbers takes part in one direction
    return rows / np.abs(rows[:, reported]).max(axis=1, keepdims=True)


def described(model: Observed, own: Array, information: Array, misfit: dict[str, float]) -> Information:
    """The report of an information matrix of all trained numbers.

    **Arguments:**

    - `own`: the information of each number if all else were known, shape `(weight,)`, from the observations alone.
    - `information`: the information matrix without the initial states, shape `(weight, weight)`; likewise.
    """
    prior = prior_information(model).astype(own.dtype)
    every = Spectrum.of(own + jnp.diagonal(prior), information + prior)
    observed = every if model.population is None else Spectrum.of(own, information)
    chosen = _chosen(model)
    errors, covariance = _errors(jnp.eye(len(own), dtype=own.dtype)[chosen], every)
    finite = jnp.where(jnp.isfinite(errors), errors, jnp.nan)
    weights, _ = ravel_pytree([leaf for _, leaf in _leaves(model)])
    names = tuple(_names(model)[i] for i in chosen)
    return Information(
        model=model,
        names=names,
        values=weights[chosen],
        standard_errors=errors,
        correlation=covariance / jnp.outer(finite, finite),
        misfit=misfit,
        hardly_observed=_hardly_observed(model, names, errors),
        _all=every,
        _observed=observed,
    )


def prior_information(model: Observed) -> Float[Array, "weight weight"]:
    """The information of the prior of a population on all trained numbers; zero without one."""
    trained, rest = trained_and_rest(without_integration(model))
    weights, unravel = ravel_pytree(trained)
    if model.population is None:
        return jnp.zeros((len(weights), len(weights)), weights.dtype)

    def deviations(w: Array) -> Array:
        return eqx.combine(unravel(w), rest).population.all_deviations().reshape(-1)

    J = jax.jacfwd(deviations)(weights)
    return J.T @ J


def _hardly_observed(model: Observed, names: tuple[str, ...], errors: Array) -> tuple[str, ...]:
    if model.population is None:
        return ()
    spreads = {f"{POPULATION}values[{name!r}]": float(x.value) for name, x in model.population.spreads.items()}
    found = zip(names, np.asarray(errors), strict=True)
    return tuple(n for n, error in found if error > MIN_SHARE_OF_PRIOR * spreads.get(n.rsplit("[", 1)[0], np.inf))


def _errors(gradients: Array, spectrum: Spectrum) -> tuple[Array, Array]:
    """Standard errors and covariance of linear functions of the trained numbers."""
    lengths, shares, directions = spectrum
    unit = jnp.where(lengths > 0, 1 / jnp.where(lengths > 0, lengths, 1), 0)
    free = shares <= undetermined_share(shares.dtype)
    along = (gradients * unit[None]) @ directions.T
    scaled = jnp.where(free, 0, along / jnp.sqrt(jnp.where(free, 1, shares))[None])
    covariance = scaled @ scaled.T
    size = jnp.linalg.norm(along, axis=1)
    lost = jnp.linalg.norm(jnp.where(free[None], along, 0), axis=1) > MIN_SHARE * size
    lost |= jnp.any((gradients != 0) & (lengths == 0)[None], axis=1)
    return jnp.where(lost, jnp.inf, jnp.sqrt(jnp.diagonal(covariance))), covariance


def _leaves(model: PyTree) -> list[tuple[str, Array]]:
    return [
        (jax.tree_util.keystr(path).lstrip("."), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(trained_and_rest(without_integration(model))[0])
    ]


def _names(model: PyTree) -> list[str]:
    """The names of all trained numbers, in the order in which they are raveled."""
    return [
        name + (f"[{', '.join(map(str, i))}]" if leaf.ndim else "")
        for name, leaf in _leaves(model)
        for i in np.ndindex(leaf.shape)
    ]


def _chosen(model: PyTree) -> np.ndarray:
    """The numbers to report: all of sensors and of a population, and scalars of the model. The other arrays are weights
    of networks.
    """
    whole = ("sensors[", POPULATION)
    kept = [np.full(leaf.size, name.startswith(whole) or leaf.ndim == 0) for name, leaf in _leaves(model)]
    return np.flatnonzero(np.concatenate(kept))
