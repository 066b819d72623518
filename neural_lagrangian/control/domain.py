"""Where a model was trained, and controllers that know it."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._checks import check_instance, positive_integer
from .._types import Scalar, State
from ..trajectories import Trajectories
from .arguments import as_angles
from .controller import AbstractController, either

NEAREST_QUANTILE = 0.99
"""Share of the training states that are inside, judged by the distance to their nearest neighbours."""


class TrainedRegion(eqx.Module):
    r"""The region of states that a model was trained on.

    The distance of a state from the region is that to the nearest training state, in units of the spread of each
    coordinate and velocity; angles count as points of a circle. `margin` times the distance at which 99 % of the
    training states have a neighbour is the border.

    - `states`: training states in these units, shape `(state, feature)`.
    - `scale`: the spread of coordinates and velocities, shape `(2 dof,)`.
    - `radius`: the border, in these units, a scalar.
    - `periodic`: coordinates that are angles.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> motion = nl.simulate(nl.systems.Pendulum(), jnp.linspace(0.0, 9.0, 181), jnp.array([[0.5, 0.0]]))
    >>> region = nl.control.TrainedRegion.of(motion, periodic=[0])
    >>> bool(region.contains(jnp.array([0.4, 0.9]))), bool(region.contains(jnp.array([3.0, 0.0])))
    (True, False)
    ```
    """

    states: Float[Array, "state feature"]
    scale: Float[Array, " two_dof"]
    radius: Scalar
    periodic: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls, trajectories: Trajectories, *, periodic: Sequence[int] = (), margin: float = 2.0, count: int = 2000
    ) -> "TrainedRegion":
        """The region of a recording.

        **Arguments:**

        - `trajectories`: the training data.
        - `periodic`: coordinates that are angles. `margin`: size of the border, at least 1.
        - `count`: number of training states that are kept, evenly chosen.

        **Raises:** `ValueError` for a margin below 1, fewer than two different states, or an angle that does not exist.
        """
        if isinstance(margin, str) or not margin >= 1:
            raise ValueError(f"`margin` is {margin!r}; expected a number of at least 1")
        angles, count = as_angles(periodic, trajectories.dof), positive_integer("count", count)
        ys = np.asarray(trajectories.ys)[np.asarray(trajectories.mask)]
        ys = ys[np.sort(np.unique(ys, axis=0, return_index=True)[1])]  # a copy would be a neighbour at no distance
        ys = ys[np.unique(np.linspace(0, len(ys) - 1, min(count, len(ys))).round().astype(int))]
        if len(ys) < 2:
            raise ValueError("`trajectories` has one state, or `count` is 1; expected at least two different states")
        spread = ys.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        scale[list(angles)] = 1.0
        states = np.asarray(jax.vmap(lambda y: _features(y, jnp.asarray(scale), angles))(jnp.asarray(ys)))
        # The distance of each state to its nearest neighbour among the states of other times is that of the recording.
        gaps = np.sort(((states[:, None] - states[None]) ** 2).sum(axis=-1), axis=1)[:, 1] ** 0.5
        radius = margin * np.quantile(gaps, NEAREST_QUANTILE)
        return cls(jnp.asarray(states), jnp.asarray(scale), jnp.asarray(radius, states.dtype), angles)

    def distance(self, y: State) -> Scalar:
        """Distance of the state `y`, shape `(2 dof,)`, from the training data; above 1 it is outside."""
        if y.shape != self.scale.shape:
            raise ValueError(f"`y` has shape {y.shape}; expected {self.scale.shape}, that of a training state")
        features = _features(y, jnp.asarray(self.scale, y.dtype), self.periodic)
        squares = jnp.sum((jnp.asarray(self.states, y.dtype) - features[None]) ** 2, axis=1)
        return jnp.sqrt(jnp.min(squares)) / jnp.asarray(self.radius, y.dtype)

    def contains(self, y: State) -> Bool[Array, ""]:
        """Whether the state `y`, shape `(2 dof,)`, is in the region."""
        return self.distance(y) <= 1

    def outside(self, ys: ArrayLike) -> str:
        """Text: the share of states `ys`, shape `(time, 2 dof)`, that are outside, and where; empty if none is."""
        ys = jnp.asarray(ys)
        distances = np.asarray(jax.vmap(self.distance)(ys))
        share = np.mean(~(distances <= 1))  # NaN is outside
        if share == 0:
            return ""
        worst = int(np.argmax(distances))
        return (
            f"{max(share, 0.01):.0%} of the states are outside of the training data of the model; the farthest is "
            f"{np.array2string(np.asarray(ys[worst]), precision=3)}, at {distances[worst]:.3g} times the border"
        )


class Guarded(AbstractController):
    r"""A controller that is used where its model was trained, and replaced by a fallback elsewhere.

    **Arguments:**

    - `controller`: callable `(t, y) -> u`, of a learned model.
    - `region`: a `TrainedRegion`. `region.outside(run.ys)` says where a motion left it.
    - `fallback`: callable `(t, y) -> u` for other states, such as damping that needs no model.

    **Raises:** `ValueError` for another kind of region, and, when it is called, if the controls have other shapes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> motion = nl.simulate(nl.systems.Pendulum(), jnp.linspace(0.0, 9.0, 181), jnp.array([[0.5, 0.0]]))
    >>> region = nl.control.TrainedRegion.of(motion, periodic=[0])
    >>> brake = nl.control.Guarded(lambda t, y: jnp.ones(1), region, lambda t, y: -y[1:])
    >>> brake(0.0, jnp.array([0.4, 0.9])).tolist(), brake(0.0, jnp.array([3.0, 8.0])).tolist()
    ([1.0], [-8.0])
    ```
    """

    controller: Callable[..., Array]
    region: TrainedRegion
    fallback: Callable[..., Array]

    def __check_init__(self):
        check_instance("region", self.region, TrainedRegion)

    def __call__(self, t: ArrayLike, y: State) -> Array:
        inside = self.region.contains(y)
        return either(inside, ("controller", self.controller(t, y)), ("fallback", self.fallback(t, y)))


def _features(y: Array, scale: Array, periodic: tuple[int, ...]) -> Array:
    """A state in units of its spread, with angles as points of a unit circle."""
    angles = y[jnp.asarray(periodic, int)]
    others = jnp.asarray([k for k in range(y.shape[0]) if k not in periodic], int)
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles), y[others] / scale[others]])
