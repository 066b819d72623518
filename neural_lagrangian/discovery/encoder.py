r"""A recurrent network that estimates coefficients from a motion in one pass, trained through the integrator."""

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
    r"""A recurrent network that estimates the coefficients of a Lagrangian from one motion (Roberts 2024).

    Each channel (a coordinate or momentum) is divided by its root mean square. With `scaled`, each output is multiplied
    by the natural size of its coefficient: the size at which its term alone would account for the motion. So the
    coefficients follow the units of coordinates and momenta, and the network learns numbers of order one only.

    Train it with `fit` and `encoder_loss`.

    **Arguments:**

    - `family`: the formula and the ranges of its coefficients, which the outputs respect.
    - `ts`: the times of all motions, shape `(time,)`, in seconds.
    - `width`: size of the hidden state (default: 32). `cell`: `"gru"` (default) or `"lstm"`.
    - `scaled`: whether outputs are multiplied by the natural sizes (default: yes).
    - `key`: a JAX random key for the initial weights.

    **Raises:** `ValueError` for another `cell`, or a `width` that is no positive integer.

    **Example:**

    ```python
    >>> import jax, numpy as np, neural_lagrangian as nl
    >>> spring = lambda t, q, v, *, m, k: (m * v @ v - k * q @ q) / 2
    >>> family = nl.discovery.LagrangianFamily(spring, dof=1, m="positive", k="positive")
    >>> t = np.linspace(0.0, 3.0, 31)
    >>> motion = np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1)  # [q, p]
    >>> encoder = nl.discovery.CoefficientEncoder(family, t, key=jax.random.key(0))
    >>> light, heavy = (encoder.coefficients(motion * [1, scale]) for scale in (1, 10))  # ten times the momentum
    >>> {name: round(float(heavy[name] / light[name]), 3) for name in family.names}
    {'m': 10.0, 'k': 10.0}
    ```
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
        """The vector of coefficients of one motion, given as rows [q, p] at the times of the encoder."""
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
        """Coefficients by name, of one motion `(time, 2 dof)` or of many; a possible `start` of `fit_coefficients`."""
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
    r"""Returns a loss that trains a `CoefficientEncoder` with `fit` (Roberts 2024, eq. 28).

    $$\alpha \, d(q, \tilde q) + \beta \, d(p, \tilde p)$$

    Here $\tilde q, \tilde p$ are the recorded motion, and $q, p$ is the rollout from its first state with the estimated
    coefficients. The true coefficients are not needed, only motions recorded as [q, p].

    **Arguments:**

    - `integration`: integrator of the rollouts.
    - `alpha`, `beta`: weights of coordinates and momenta (default: 1).
    - `distance`: `"rms"` (root mean square, default), `"mae"` (mean absolute error) or `"huber"` (Huber's loss).
    - `normalized`: whether each channel is divided by its root mean square (default: yes).
    - `penalty`: callable `(coefficients) -> scalar`, added to the loss, or `None`.

    **Returns:** a loss `(encoder, window) -> scalar`. The encoder may be any callable `(rows) -> coefficients` with an
    attribute `family`.

    **Raises:** `ValueError` for another `distance`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, numpy as np, neural_lagrangian as nl
    >>> class Guess:  # stands for a trained encoder that finds the stiffness, 4 N/m
    ...     family = nl.discovery.LagrangianFamily(lambda t, q, v, *, k: (v @ v - k * q @ q) / 2, dof=1, k="positive")
    ...     __call__ = lambda self, rows: jnp.array([4.0])
    >>> t = np.linspace(0.0, 1.0, 11)
    >>> motion = nl.trajectories.Window(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1))
    >>> loss = nl.discovery.encoder_loss(nl.integrators.Integration(nl.integrators.GalerkinGaussLobatto(2)))
    >>> bool(loss(Guess(), motion) < 1e-4)
    True
    ```
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
    # eps keeps the root away from zero, where it has no derivative.
    return jnp.sqrt(jnp.mean(x**2) + jnp.finfo(x.dtype).eps ** 2)


def _huber(x: Array) -> Scalar:
    return jnp.mean(jnp.where(jnp.abs(x) < 1, x**2 / 2, jnp.abs(x) - 0.5))
