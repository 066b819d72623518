r"""Equations of motion in units in which coordinates, times and momenta are of order one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._types import Force, Lagrangian
from ..mechanics import EulerLagrangeTerm


def natural_scales(matrices: Float[np.ndarray, "sample dof dof"]) -> Float[np.ndarray, " dof"]:
    r"""$d$ such that the entries $d_i M_{ij} d_j$ of symmetric matrices, such as mass matrices at many states, have no
    units: $d_i^{-2}$ is the mean of $|M_{ii}|$.

    A coordinate without an entry of its own is measured by its coupling to the others.
    """
    # In NumPy, and with one d for all: in double precision whatever JAX computes in, unlike `equilibrated`.
    size = np.mean(np.abs(matrices), axis=0)
    r = np.sqrt(np.diagonal(size))
    by_others = np.max(np.where(r > 0, size / np.where(r > 0, r, 1), 0), axis=1)
    r = np.where(r > 0, r, by_others)
    return 1 / np.where((r > 0) & np.isfinite(r), r, 1)


def root_mean_square(x: Float[Array, "*batch sample k"], mask: Bool[Array, "*batch sample"] | None = None) -> Array:
    """Of each column, shape `(k,)`, over all samples or those of a mask; no square is too large for the precision."""
    real = jnp.ones(x.shape[:-1], bool) if mask is None else mask
    axes = tuple(range(x.ndim - 1))
    x = jnp.where(real[..., None], x, 0)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=axes, keepdims=True))
    largest = jnp.where(largest > 0, largest, 1)
    squares = jnp.sum((x / largest) ** 2, axis=axes) / jnp.sum(real, dtype=x.dtype)
    return jnp.reshape(largest, squares.shape) * jnp.sqrt(squares)


def _or_one(size: Array) -> Array:
    return jnp.where(size > 0, size, 1)


def nearest_thousand(size: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The power of a thousand nearest to each size, as metric prefixes have it: 1 for what is of order one, and for 0.

    Numbers over it are of order one in any units, and those of usual units stay as they are.
    """
    exponents = np.log10(np.where(size > 0, size, 1.0)) / 3
    return 1000.0 ** np.round(exponents)


class NaturalUnits(eqx.Module):
    r"""$\tilde q_i = q_i / s_i$, $\tilde t = (t - t_0) / \tau$ and $\tilde L = L / \lambda$, so that
    $\tilde v_i = v_i \tau / s_i$, $\tilde p_i = p_i s_i / (\tau \lambda)$ and $\tilde Q_i = Q_i s_i / \lambda$.

    As `Scaling`, but with a unit of the Lagrangian and arrays that may be traced: the systems of a batch each have
    their own.

    - `length`: $s$, shape `(dof,)`. `time`: $\tau$. `energy`: $\lambda$. Of several systems with an axis in front.
    """

    length: Float[Array, "*systems dof"]
    time: Float[Array, "*systems"]
    energy: Float[Array, "*systems"]

    @staticmethod
    def of_rows(
        q: Float[Array, "time dof"], v: Float[Array, "points dof"], p: Float[Array, "time dof"]
    ) -> "NaturalUnits":
        """Those of one motion: root mean squares of the coordinates; of the rates of all, over these; and of p q."""
        length = _or_one(root_mean_square(q))
        rate = _or_one(root_mean_square((root_mean_square(v) / length)[:, None])[0])
        return NaturalUnits(length, 1 / rate, _or_one(root_mean_square((p * length[None]).reshape(-1, 1))[0]) * rate)

    def term(self, term: EulerLagrangeTerm, origin: Float[Array, ""]) -> EulerLagrangeTerm:
        """The same motion in these units, its time counted from `origin`, $t_0$."""
        force: Force | None = term.force

        def scaled_force(t, q, v):
            Q = force(*self._physical(origin, t, q, v))  # pyright: ignore[reportOptionalCall]
            return Q * self.length / self.energy

        return EulerLagrangeTerm(self.lagrangian(term.lagrangian, origin), None if force is None else scaled_force)

    def lagrangian(self, lagrangian: Lagrangian, origin: Float[Array, ""]) -> Lagrangian:
        """The same Lagrangian in these units, its time counted from `origin`."""
        return lambda t, q, v: lagrangian(*self._physical(origin, t, q, v)) / self.energy

    def _physical(self, origin: Array, t: ArrayLike, q: Array, v: Array) -> tuple[Array, Array, Array]:
        return origin + self.time * t, self.length * q, self.length * v / self.time

    def sizes(self, momenta: bool) -> Float[Array, " two_dof"]:
        """Of each channel of rows [q, v], or [q, p]: what they are divided by."""
        second = self.time * self.energy / self.length if momenta else self.length / self.time
        return jnp.concatenate([self.length, second])
