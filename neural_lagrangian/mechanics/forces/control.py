"""Control forces: motors, thrusters and other forces applied from outside."""

from collections.abc import Sequence
from typing import Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..._checks import floating, is_concrete
from ..._types import Coordinates, Network, Signal, Times
from ...numerics import AbstractFrozen
from .force import AbstractForce


class SampledControl(AbstractFrozen):
    r"""A control signal $u(t)$ interpolated between samples, $u_k = u(t_k)$.

    It is constant before the first and after the last sample. Training (`fit`) does not change it.

    **Arguments:**

    - `ts`: times in seconds, strictly increasing, shape `(time,)`.
    - `us`: the control at those times, shape `(time, m)`.
    - `kind`: interpolation. `"linear"` interpolates linearly. `"hold"` keeps $u_k$ from $t_k$ until $t_{k + 1}$
      (zero-order hold), as a digital controller does. A held control jumps, and a solver step that ends at $t_{k + 1}$
      evaluates $u_{k + 1}$ there, so its error is of first order in the step size.

    **Raises:** `ValueError` if the shapes do not match, for an unknown kind, or (outside `jit`) if the times are not
    strictly increasing.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts, us = jnp.array([0.0, 1.0]), jnp.array([[0.0], [4.0]])
    >>> ramp, step = nl.mechanics.SampledControl(ts, us), nl.mechanics.SampledControl(ts, us, "hold")
    >>> ramp(0.5).tolist(), step(0.5).tolist()
    ([2.0], [0.0])
    ```
    """

    ts: Times
    us: Float[Array, "time m"]
    kind: Literal["linear", "hold"] = eqx.field(static=True)

    def __init__(self, ts: ArrayLike, us: ArrayLike, kind: Literal["linear", "hold"] = "linear"):
        if kind not in ("linear", "hold"):
            raise ValueError(f"`kind` is {kind!r}; expected 'linear' or 'hold'")
        self.ts = floating("ts", ts, ("time",))
        self.us = floating("us", us, (self.ts.shape[0], "m"))
        if self.ts.shape[0] == 0:
            raise ValueError(f"`ts` has shape {self.ts.shape}; expected at least one time")
        if is_concrete(self.ts) and not np.all(np.diff(np.asarray(self.ts)) > 0):
            raise ValueError("`ts` is not strictly increasing; sort the samples and remove repeated times")
        self.kind = kind

    def __call__(self, t: ArrayLike) -> Float[Array, " m"]:
        t = jnp.clip(jnp.asarray(t, self.ts.dtype), self.ts[0], self.ts[-1])
        if self.kind == "linear" and len(self.ts) > 1:
            return diffrax.LinearInterpolation(self.ts, self.us).evaluate(t)
        return self.us[jnp.searchsorted(self.ts, t, side="right") - 1]


class ControlForce(AbstractForce):
    r"""The generalised force of a control signal, $Q = G(q)\, u(t)$.

    Driven motion with a known $G$ determines the overall scale of a Lagrangian. Free motion does not.

    **Arguments:**

    - `matrix`: $G$, shape `(dof, m)`: a callable of q, an array (trained by `fit`), or nested sequences of numbers (not
      trained). `None` means $G = I$, a motor at each coordinate. $G u$ is in joules per unit of q.
    - `control`: $u$, callable of t in seconds to shape `(m,)`, such as a `SampledControl`. `None` means that the
      control comes with the data (see `with_control`). The force is zero until a control is set.

    **Raises:** `ValueError` if the shapes do not match.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> motor = nl.mechanics.SampledControl(jnp.array([0.0, 1.0]), jnp.array([[0.0], [4.0]]))
    >>> push = nl.mechanics.ControlForce([[1.0], [0.0]], motor)  # acts on the first of two coordinates
    >>> push(0.5, jnp.zeros(2), jnp.zeros(2)).tolist()
    [2.0, 0.0]
    ```
    """

    matrix: Network | Array | None
    constant: tuple[tuple[float, ...], ...] | None = eqx.field(static=True)
    control: Signal | None

    def __init__(
        self,
        matrix: Network | Array | Sequence[Sequence[float | int]] | None = None,
        control: Signal | None = None,
    ):
        if control is not None and not callable(control):
            raise ValueError(f"`control` is {control!r}; expected a callable of t, or None")
        known = isinstance(matrix, Sequence)
        if known:
            G = np.asarray(matrix, np.float64)
            if G.ndim != 2 or not np.all(np.isfinite(G)):
                raise ValueError(f"`matrix` is {matrix!r}; expected finite numbers, shape (dof, m)")
            self.constant = tuple(map(tuple, G.tolist()))
        else:
            self.constant = None
        trained = None if known or matrix is None else matrix
        self.matrix = trained if trained is None or callable(trained) else floating("matrix", trained, ("dof", "m"))
        self.control = control

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        if self.control is None:
            return jnp.zeros_like(q)
        return self.of_command(q, self.command(t, q))

    def command(self, t: ArrayLike, q: Array) -> Float[Array, " m"]:
        """The control $u(t)$, shape `(m,)`. It is zero until a control is set."""
        if self.control is None:
            return jnp.zeros(self.controls(q.shape[0]), q.dtype)
        u = jnp.asarray(self.control(t))
        if u.ndim != 1:
            raise ValueError(f"`control` returned shape {u.shape}; expected (m,)")
        return u

    def of_command(self, q: Array, u: Array) -> Coordinates:
        """The force $G(q) u$ of a control `u`, shape `(m,)`, at the coordinates `q`; shape `(dof,)`."""
        G = self._matrix(q, u)
        if G.shape != (q.shape[0], u.shape[0]):
            raise ValueError(f"`matrix` has shape {G.shape}; expected {(q.shape[0], u.shape[0])}, (dof, m)")
        return G @ u

    def controls(self, dof: int) -> int:
        """Number of controls m, for `dof` degrees of freedom."""
        if self.constant is not None:
            return len(self.constant[0])
        if self.matrix is None:
            return dof
        q = jax.ShapeDtypeStruct((dof,), jnp.result_type(float))
        return (eqx.filter_eval_shape(self.matrix, q) if callable(self.matrix) else self.matrix).shape[1]

    def _matrix(self, q: Array, u: Array) -> Array:
        if self.constant is not None:
            return jnp.asarray(self.constant, u.dtype)
        if self.matrix is None:
            return jnp.eye(q.shape[0], dtype=u.dtype)
        return jnp.asarray(self.matrix(q) if callable(self.matrix) else self.matrix)
