"""The networks that `identify` can train, and their settings."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..lagrangians import MechanicalLagrangian
from ..mechanics import ControlForce, LinearDamping, summed
from ..models import NeuralLagrangian, NeuralODE
from ..networks import Conditioned, PeriodicEmbedding, WithInputs
from .choices import Structure
from .prior import Prior
from .recordings import Columns, Varied

INITIAL_DAMPING = 0.2
"""Damping before training: diagonal of the Cholesky factor of the damping matrix, in natural units."""
INITIAL_SHARE = 0.1
"""Weights of the last layer before training, over the usual ones, of a mass that is added to a known system. The
factor of the damping has this diagonal.
"""


class Gains(eqx.Module):
    r"""The matrix $G_{ij} = g_{ij} / s_j$ of a `ControlForce`, with a factor $1 / s_j$ of each control that is fixed.

    `gains`: $g$, which are trained.
    """

    gains: Float[Array, "dof m"]
    factors: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, q: Array) -> Array:
        return self.gains * jnp.asarray(self.factors, self.gains.dtype)[None]


@dataclass(frozen=True)
class Architecture:
    """Sizes and options of a Lagrangian made of networks, in natural units, with or without linear damping.

    `parameters`: what differs between the runs. The networks get it as further inputs, from -1 to 1. `controls`: size
    of each control.
    """

    dof: int
    structure: str
    friction: bool
    periodic: tuple[int, ...]
    width: int = 64
    depth: int = 2
    parameters: tuple[Varied, ...] = ()
    controls: tuple[float, ...] = ()

    @staticmethod
    def of(settings: dict[str, Any], parameters: Sequence[Varied] = ()) -> "Architecture":
        """Rebuild an architecture from its `settings`, read back from JSON, and its parameters."""
        given: dict[str, Any] = settings | {"periodic": tuple(settings["periodic"]), "parameters": tuple(parameters)}
        given["controls"] = tuple(settings.get("controls", ()))  # none in earlier versions
        return Architecture(**given)

    def check(self, columns: Columns, weights: int) -> None:
        """Check that a model with these columns and at most `weights` weights can have this architecture.

        The check comes before any array is made: a damaged file must not allocate huge arrays.

        **Raises:** `ValueError` if it cannot.
        """
        whole = (self.dof, self.width, self.depth, *self.periodic)
        if not all(type(n) is int and n >= 0 for n in whole) or min(self.dof, self.width) < 1:
            raise ValueError(f"the architecture has sizes {whole}; expected positive integers")
        if self.structure not in get_args(Structure) or type(self.friction) is not bool:
            raise ValueError(
                f"`structure` is {self.structure!r} and `friction` is {self.friction!r}; expected one of "
                f"{get_args(Structure)} and a bool"
            )
        if self.dof != columns.dof or self.periodic != columns.periodic:
            raise ValueError(
                f"the architecture has {self.dof} degrees of freedom and angles {self.periodic}; "
                f"expected {columns.dof} and {columns.periodic}, as the columns have"
            )
        if len(self.controls) != len(columns.controls) or not all(0 < size < np.inf for size in self.controls):
            raise ValueError(
                f"the sizes of the controls are {self.controls}; expected one for each of {columns.controls}"
            )
        least = self.width * (self.dof + self.width * max(self.depth - 1, 0))
        if max(least, self.depth) > weights:
            raise ValueError(f"the architecture has at least {least} weights, the model file at most {weights}")

    @property
    def settings(self) -> dict[str, Any]:
        """The fields, as JSON can hold them, without the parameters."""
        return {name: value for name, value in asdict(self).items() if name != "parameters"}

    def beside_known_system(self) -> "Architecture":
        """The architecture of a network that is added to a known system: mechanical, with damping."""
        return replace(self, structure="mechanical", friction=True)

    def model(self, key: PRNGKeyArray, prior: Prior | None = None) -> NeuralLagrangian:
        """An untrained model, in single precision. `prior`: a known system to which a mechanical network is added."""
        if prior is not None:
            return self._added_to(prior, key)
        force = summed([self._damping(INITIAL_DAMPING) if self.friction else None, self._driven()])
        if self.structure == "mechanical":
            return NeuralLagrangian(self._mechanical(key), force=force)
        return NeuralLagrangian(self._network("scalar", 2 * self.dof, key), force=force)

    def without_mechanics(self, key: PRNGKeyArray) -> NeuralODE:
        """An untrained network of the acceleration with the same sizes, in single precision: the null hypothesis."""
        network = self._network(self.dof, (3 if self.controls else 2) * self.dof, key)
        return NeuralODE(network, dof=self.dof, control=self._driven())

    def _added_to(self, prior: Prior, key: PRNGKeyArray) -> NeuralLagrangian:
        r"""A known system, to which a network adds a potential, a mass matrix $\succeq 0$ and linear damping.

        Before training they are small. The gains of the controls begin as those of the system.
        """
        networks = self._mechanical(key)
        potential = _with_output(networks.potential, 0.0, 0.0)
        mass = _with_output(networks.mass, INITIAL_SHARE, -_identity(self.dof))  # I + N begins near zero
        added = MechanicalLagrangian(potential, mass, dof=self.dof, floor=0.0)
        forces = [prior.friction(jnp.float32), self._damping(INITIAL_SHARE), self._driven(prior.gains())]
        lagrangian = prior.lagrangian(jnp.float32) + added
        return NeuralLagrangian.from_lagrangian(lagrangian, dof=self.dof, force=summed(forces))

    def _damping(self, size: float) -> LinearDamping:
        """Linear damping of this size that is the same for all coordinates."""
        return LinearDamping(jnp.asarray(size * _identity(self.dof), jnp.float32))

    def _driven(self, gains: Float[np.ndarray, "dof m"] | None = None) -> ControlForce | None:
        """The force of the controls, with gains that are trained; `None` without controls. `gains`: their start."""
        if not self.controls:
            return None
        start = np.eye(self.dof, len(self.controls)) if gains is None else gains * np.array(self.controls)
        return ControlForce(Gains(jnp.asarray(start, jnp.float32), tuple(1 / size for size in self.controls)))

    def _mechanical(self, key: PRNGKeyArray) -> MechanicalLagrangian:
        """Kinetic minus potential energy."""
        if not self.parameters:
            size = {"depth": self.depth, "dtype": jnp.float32, "key": key}
            return MechanicalLagrangian.from_mlp(self.dof, self.width, periodic=self.periodic, **size)
        potential = self._network("scalar", self.dof, jax.random.fold_in(key, 0))
        mass = self._network(self.dof * (self.dof + 1) // 2, self.dof, jax.random.fold_in(key, 1))
        return MechanicalLagrangian(potential, mass, dof=self.dof)

    def _network(self, out: int | Literal["scalar"], inputs: int, key: PRNGKeyArray) -> PeriodicEmbedding:
        """A network of so many coordinates and velocities, with sines and cosines of angles, and the parameters."""
        features = inputs + len(self.periodic) + len(self.parameters)
        network = eqx.nn.MLP(features, out, self.width, self.depth, activation=jax.nn.silu, dtype=jnp.float32, key=key)
        if not self.parameters:
            return PeriodicEmbedding(network, self.dof, self.periodic)
        centres = {one.name: jnp.asarray(one.centre, jnp.float32) for one in self.parameters}
        sizes = {one.name: jnp.asarray(one.half_range, jnp.float32) for one in self.parameters}
        conditioned = Conditioned(WithInputs(network, sizes, centres), centres)
        return PeriodicEmbedding(conditioned, self.dof, self.periodic)


def _identity(dof: int) -> Float[np.ndarray, " entry"]:
    """The entries of the identity as a lower triangular matrix, row by row."""
    return np.eye(dof)[np.tril_indices(dof)]


def _with_output(network: Any, share: float, bias: Any) -> Any:
    """A network whose last layer has its weights times `share`, and this bias."""

    def changed(node: Any) -> Any:
        if not _is_mlp(node):
            return node
        last = node.layers[-1]
        new = share * last.weight, jnp.broadcast_to(jnp.asarray(bias, last.bias.dtype), last.bias.shape)
        return eqx.tree_at(lambda mlp: (mlp.layers[-1].weight, mlp.layers[-1].bias), node, new)

    return jax.tree.map(changed, network, is_leaf=_is_mlp)


def _is_mlp(node: Any) -> bool:
    return isinstance(node, eqx.nn.MLP)
