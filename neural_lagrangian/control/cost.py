"""Costs of driven motion."""

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._checks import check_instance, finite, floating
from .._types import Scalar, State
from .arguments import as_angles, as_state
from .closed_loop import ClosedLoop
from .controller import state_error


class AbstractCost(eqx.Module):
    r"""The cost of a driven motion, $\sum_k \ell(t_k, y_k, u_k)\, (t_{k+1} - t_k) + \ell_f(t_N, y_N)$."""

    @abc.abstractmethod
    def running(self, t: ArrayLike, y: State, u: Array) -> Scalar:
        r"""The running cost $\ell(t, y, u)$, per second, a scalar."""

    @abc.abstractmethod
    def final(self, t: ArrayLike, y: State) -> Scalar:
        r"""The final cost $\ell_f(t, y)$, a scalar."""


class QuadraticCost(AbstractCost):
    r"""The quadratic cost $\ell = e^\top Q e + u^\top R u,\ \ell_f = e^\top Q_f e$ of the error $e = y - \bar y$.

    **Arguments:**

    - `target`: $\bar y$, shape `(2 dof,)`.
    - `state`, `final_state`: $Q$ and $Q_f$, shape `(2 dof,)` (a diagonal) or `(2 dof, 2 dof)`. `final_state=None` means
      zero. The `cost_to_go` of a regulator is a good $Q_f$.
    - `control`: $R$, shape `(m,)` or `(m, m)`.
    - `periodic`: coordinates that are angles, whose errors are taken in $[-\pi, \pi)$.

    **Raises:** `ValueError` for other shapes, also when it is called, and for numbers that are not finite.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> cost = nl.control.QuadraticCost(jnp.zeros(2), jnp.array([2.0, 0.0]), jnp.array([1.0]))
    >>> float(cost.running(0.0, jnp.array([3.0, 5.0]), jnp.array([4.0])))  # 2 * 9 + 16
    34.0
    ```
    """

    target: State
    state: Array
    control: Array
    final_state: Array | None
    periodic: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        target: ArrayLike,
        state: ArrayLike,
        control: ArrayLike,
        final_state: ArrayLike | None = None,
        *,
        periodic: Sequence[int] = (),
    ):
        self.target = as_state("target", target)
        size = self.target.shape[0]
        self.state = _weights("state", state, size)
        self.control = _weights("control", control, "m")
        self.final_state = None if final_state is None else _weights("final_state", final_state, size)
        self.periodic = as_angles(periodic, size // 2)

    def running(self, t: ArrayLike, y: State, u: Array) -> Scalar:
        if len(self.control) != len(u):
            raise ValueError(
                f"`control` of the cost has shape {self.control.shape}, and there are {len(u)} controls; expected "
                f"({len(u)},) or ({len(u)}, {len(u)})"
            )
        return _square(self._error(y), self.state) + _square(u, self.control)

    def final(self, t: ArrayLike, y: State) -> Scalar:
        if self.final_state is None:
            return jnp.zeros((), y.dtype)
        return _square(self._error(y), self.final_state)

    def _error(self, y: State) -> Array:
        if y.shape != self.target.shape:
            raise ValueError(f"`target` of the cost has shape {self.target.shape}; expected {y.shape}, that of a state")
        return state_error(y, self.target, self.periodic)


def total_cost(cost: AbstractCost, run: ClosedLoop) -> Scalar:
    r"""The cost of a motion: the running cost summed over the held intervals, plus the final cost.

    **Arguments:**

    - `cost`: an `AbstractCost`, such as a `QuadraticCost`. `run`: the motion, a `ClosedLoop`.

    **Returns:** a scalar.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> cost = nl.control.QuadraticCost(jnp.zeros(2), jnp.array([2.0, 0.0]), jnp.array([1.0]))
    >>> run = nl.control.ClosedLoop(jnp.array([0.0, 0.5]), jnp.ones((2, 2)), jnp.ones((2, 1)))
    >>> float(nl.control.total_cost(cost, run))  # (2 + 1) for half a second
    1.5
    ```
    """
    check_instance("cost", cost, AbstractCost)
    running = jax.vmap(cost.running)(run.ts[:-1], run.ys[:-1], run.us[:-1])
    return jnp.sum(running * jnp.diff(run.ts)) + cost.final(run.ts[-1], run.ys[-1])


def _weights(name: str, value: ArrayLike, size: int | str) -> Array:
    given = jnp.asarray(value)
    return finite(name, floating(name, given, (size,) if given.ndim < 2 else (size, size)))


def _square(x: Array, weights: Array) -> Scalar:
    return x @ (weights * x if weights.ndim == 1 else weights @ x)
