r"""From a recorded motion to coefficients in one pass: a recurrent network, trained through the integrator."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import positive_integer
from .._types import Scalar
from ..integrators import Integration
from ..mechanics import velocity_from_momentum
from ..trajectories import Window
from .coefficients import channel_sizes, observed
from .family import LagrangianFamily, Vector
from .integral_form import Quadrature, term_sizes

Distance = Literal["rms", "mae", "huber"]


class CoefficientEncoder(eqx.Module):
    r"""A recurrent network that reads a motion and names the coefficients of its Lagrangian (Roberts 2024).

    Each channel is divided by its root mean square. With `scaled`, a coefficient is the network's answer times the
    size at which its term alone would make up the motion, which is read off the data: so the answer turns with the
    units of coordinates and momenta, and the network has only numbers of order one to learn.

    **Arguments:**

    - `family`: the family; coefficients come out in their ranges.
    - `ts`: the times of all motions, shape `(time,)`.
    - `width`: of the hidden state. `cell`: `"gru"` or `"lstm"`.
    - `scaled`: whether coefficients come in units of the motion.
    - `key`: a JAX random key.
    """

    family: LagrangianFamily
    cell: eqx.nn.GRUCell | eqx.nn.LSTMCell
    head: eqx.nn.Linear
    times: tuple[float, ...] = eqx.field(static=True)
    scaled: bool = eqx.field(static=True)

    def __init__(
        self,
        family: LagrangianFamily,
        ts: ArrayLike,
        *,
        width: int = 32,
        cell: Literal["gru", "lstm"] = "gru",
        scaled: bool = True,
        key: PRNGKeyArray,
    ):
        if cell not in ("gru", "lstm"):
            raise ValueError(f"`cell` is {cell!r}; expected 'gru' or 'lstm'")
        width = positive_integer("width", width)
        first, second = jax.random.split(key)
        kind = eqx.nn.GRUCell if cell == "gru" else eqx.nn.LSTMCell
        self.family = family
        self.cell = kind(2 * family.dof, width, key=first)
        self.head = eqx.nn.Linear(width, len(family.names), key=second)
        self.times = tuple(np.asarray(ts, float).tolist())
        self.scaled = scaled

    def __call__(self, data: Float[Array, "time two_dof"]) -> Vector:
        """Coefficients in order, from rows [q, p] at the encoder's times."""
        inputs = data / channel_sizes(data)[None]

        def read(state: Any, row: Array) -> tuple[Any, None]:
            return self.cell(row, state), None

        blank = jnp.zeros(self.cell.hidden_size, data.dtype)
        state, _ = jax.lax.scan(read, blank if isinstance(self.cell, eqx.nn.GRUCell) else (blank, blank), inputs)
        x = self.head(state if isinstance(self.cell, eqx.nn.GRUCell) else state[0])
        scale = jnp.ones_like(x)
        if self.scaled:
            quadrature = Quadrature.of(np.asarray(self.times), data.dtype)
            scale = jax.lax.stop_gradient(term_sizes(self.family, quadrature, data))
        return self.family.within(x, scale)

    def coefficients(self, data: ArrayLike) -> dict[str, Array]:
        """Coefficients by name, of one motion `(time, 2 dof)` or of many; a `start` for `fit_coefficients`."""
        data = jnp.asarray(data, self.head.weight.dtype)
        c = _encode(self, data[None])[0] if data.ndim == 2 else _encode(self, data)
        return {name: c[..., i] for i, name in enumerate(self.family.names)}


@eqx.filter_jit
def _encode(encoder: CoefficientEncoder, batch: Array) -> Array:
    return jax.vmap(encoder)(batch)


def encoder_loss(
    integration: Integration,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    distance: Distance = "rms",
    normalized: bool = True,
    penalty: Callable[[Vector], Scalar] | None = None,
) -> Callable[[Any, Window], Scalar]:
    r"""The loss that trains a `CoefficientEncoder` by `fit`, with its answer integrated (Roberts 2024, eq. 28).

    $$\alpha \, d(q, \tilde q) + \beta \, d(p, \tilde p)$$

    with the motion that begins where the data do and has the coefficients named. No coefficient is compared: motions
    alone, recorded as [q, p], are what is needed.

    **Arguments:**

    - `integration`: how motions are integrated.
    - `alpha`, `beta`: weights of coordinates and momenta.
    - `distance`: root mean square, mean absolute value, or Huber's loss.
    - `normalized`: whether each channel is divided by its root mean square.
    - `penalty`: `(coefficients) -> scalar`, added.

    **Returns:** `loss(encoder, window) -> scalar`, of anything with a `family` that turns a motion into coefficients.
    """
    distances = {"rms": _rms, "mae": lambda x: jnp.mean(jnp.abs(x)), "huber": _huber}
    if distance not in distances:
        raise ValueError(f"`distance` is {distance!r}; expected one of {list(distances)}")

    def loss(encoder: Any, window: Window) -> Scalar:
        ts, ys = jnp.asarray(window.ts), jnp.asarray(window.ys)
        family, c = encoder.family, encoder(ys)
        q, p = jnp.split(ys[0], 2)
        v = velocity_from_momentum(family.lagrangian(c), ts[0], q, p)
        rows = observed(family, integration, ts, c, jnp.concatenate([q, v]), momenta=True)
        size = channel_sizes(ys) if normalized else jnp.ones_like(ys[0])
        of_q, of_p = jnp.split((rows - ys) / size[None], 2, axis=1)
        total = alpha * distances[distance](of_q) + beta * distances[distance](of_p)
        return total if penalty is None else total + penalty(c)

    return loss


def _rms(x: Array) -> Scalar:
    # Not at zero, where the root has no derivative.
    return jnp.sqrt(jnp.mean(x**2) + jnp.finfo(x.dtype).eps ** 2)


def _huber(x: Array) -> Scalar:
    return jnp.mean(jnp.where(jnp.abs(x) < 1, x**2 / 2, jnp.abs(x) - 0.5))
