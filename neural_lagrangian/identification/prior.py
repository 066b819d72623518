"""A known system in natural units, to which a network is added."""

from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from .._types import Coordinates, Scalar
from ..lagrangians import AbstractLagrangian
from ..mechanics import AbstractForce, AbstractMassSolve, Cholesky, ControlForce, summed, terms_of
from ..models import NeuralLagrangian, Scaled, with_precision
from ..networks import Frozen
from ..trajectories import Scaling
from .formulas import RefinedFormula, gain_matrix


@dataclass(frozen=True)
class Prior:
    r"""A known system that describes a motion in part. A network learns what it lacks.

    In natural units, with $s, \tau$ of the scaling, $c$ the factor by which the inertias have the geometric mean one:

    $$L = c\, L_\text{known} + L_\text{network}, \quad Q_i = c\, s_i\, Q_{\text{known}, i} + Q_{\text{network}, i}.$$

    `found`: the known system with its friction and gains, in SI units. `scaling`: the natural units.
    """

    found: RefinedFormula
    scaling: Scaling

    @property
    def name(self) -> str:
        """What the system is."""
        return self.found.where

    def lagrangian(self, dtype: DTypeLike) -> AbstractLagrangian:
        r"""$c L_\text{known}$, which is not trained."""
        return _Multiple(Frozen(self._inside(dtype).lagrangian), self._frozen_factor(dtype))

    def friction(self, dtype: DTypeLike) -> AbstractForce | None:
        """The friction of the system, which is not trained; `None` if there is none."""
        force = self._inside(dtype).force
        return None if force is None else _MultipleForce(Frozen(force), self._frozen_factor(dtype))

    def gains(self) -> Float[np.ndarray, "dof m"]:
        """Force on each coordinate in natural units, per unit of each control."""
        G = gain_matrix(self.found.model, jnp.zeros(self._dof))
        return self._factor * self.scaling.q_scale[:, None] * G

    @property
    def _dof(self) -> int:
        return len(self.scaling.q_scale)

    @cached_property
    def _factor(self) -> float:
        """One over the geometric mean of the diagonal of the mass matrix at the centre of the motion."""
        q = jnp.zeros(self._dof)
        inertias = jnp.diagonal(self._inside(q.dtype).mass_matrix(0.0, q, q))
        return float(jnp.exp(-jnp.mean(jnp.log(inertias))))

    def _frozen_factor(self, dtype: DTypeLike) -> Frozen:
        return Frozen(jnp.asarray(self._factor, dtype))

    def _inside(self, dtype: DTypeLike) -> Scaled:
        """The system without its controls, with arguments in natural units: the inverse scaling."""
        known, s, tau = self.found.model, self.scaling.q_scale, self.scaling.t_scale
        forces = [one for one in terms_of(known.force) if isinstance(one, AbstractForce)]
        friction = summed([one for one in forces if not isinstance(one, ControlForce)])
        free = NeuralLagrangian(known.network, force=friction)
        return Scaled(with_precision(free, dtype), Scaling(-self.scaling.centre / s, 1 / s, 1 / tau))


class _Multiple(AbstractLagrangian):
    inner: Frozen
    factor: Frozen

    @property
    def dof(self) -> int:
        return self.inner.dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return Cholesky()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return jnp.asarray(self.factor) * self.inner(t, q, v)


class _MultipleForce(AbstractForce):
    inner: Frozen
    factor: Frozen

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return jnp.asarray(self.factor) * self.inner(t, q, v)
