"""Neural ordinary differential equations: a baseline without mechanics."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PyTree

from .._checks import check_instance, positive_integer, same_precision
from .._types import Network, State
from ..integrators import DEFAULT_MAX_STEPS, AbstractRolloutModel, Controller, Integration, check_state
from ..lagrangians import infer_dof
from ..mechanics import ControlForce
from ..networks import Clock, check_time_reversible_dof, output_shape, unfrozen, with_args


class NeuralODE(AbstractRolloutModel):
    r"""A neural ODE: a network as the right-hand side of the equations of motion.

    The output size of the network decides the form:

    - first order, `2 dof` outputs: $\dot y = \mathrm{network}(y)$ (Chen et al. 2018);
    - second order, `dof` outputs: $\dot q = v,\ \dot v = \mathrm{network}([q, v])$, usually the better baseline.

    **Arguments:**

    - `network`: callable on states `[q, v]`, shape `(2 dof,)`.
    - `solver`: any diffrax solver.
    - `dof`: degrees of freedom. `None` means half of the network's `in_size`, or that of the first call. It is required
      with a clock or a control.
    - `clock`: a `Clock` for driven systems. Its features are put in front of the state, `[clock(t), q, v]`.
    - `control`: a `ControlForce` for motors. Its generalised force is put in front of the state, `[Q, q, v]`, shape
      `(3 dof,)`, after the features of a clock.
    - `stepsize_controller`, `dt0`, `adjoint`, `max_steps`: see `Integration`.

    **Raises:** `ValueError` if the network has the wrong input or output size.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> model = nl.NeuralODE(lambda y: -4.0 * y[:1], dof=1)  # second order: the output is the acceleration
    >>> model.vector_field(0.0, jnp.array([1.0, 3.0])).tolist()
    [3.0, -4.0]
    ```
    """

    network: Network
    clock: Clock | None
    control: ControlForce | None
    integration: Integration
    dof: int | None = eqx.field(static=True)

    def __init__(
        self,
        network: Network,
        solver: diffrax.AbstractSolver | None = None,
        *,
        dof: int | None = None,
        clock: Clock | None = None,
        control: ControlForce | None = None,
        stepsize_controller: Controller | None = None,
        dt0: float | Array | None = None,
        adjoint: diffrax.AbstractAdjoint | None = None,
        max_steps: int = DEFAULT_MAX_STEPS,
    ):
        self.network = network
        self.integration = Integration(
            solver, stepsize_controller=stepsize_controller, dt0=dt0, adjoint=adjoint, max_steps=max_steps
        )
        check_instance("clock", clock, Clock, optional=True)
        check_instance("control", control, ControlForce, optional=True)
        self.clock, self.control = clock, control
        self.dof = infer_dof(network, dof) if clock is None and control is None else _dof_of_driven(network, dof)
        if self.dof is not None:
            inputs = (clock.size if clock else 0) + (3 if control else 2) * self.dof
            _check_output(output_shape(network, (inputs,)), self.dof)

    def term(self, y: State) -> diffrax.ODETerm:
        check_state(y, self.dof)
        return diffrax.ODETerm(lambda t, y, args: same_precision(self.vector_field(t, y, args), y))

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        if args is not None:
            return with_args(self, args).vector_field(t, y)
        check_state(y, self.dof)
        network, clock, control = unfrozen((self.network, self.clock, self.control))
        drive = [] if clock is None else [clock(t, y.dtype)]
        drive += [] if control is None else [control(t, *jnp.split(y, 2))]
        out = network(jnp.concatenate([*drive, y]))
        _check_output(jnp.shape(out), y.shape[0] // 2)
        return out if out.shape == y.shape else jnp.concatenate([y[y.shape[0] // 2 :], out])


def _dof_of_driven(network: Network, dof: int | None) -> int:
    if dof is None:
        raise ValueError(
            "`dof` is None; expected a positive integer, since a `clock` or a `control` makes the input size ambiguous"
        )
    check_time_reversible_dof(network)
    return positive_integer("dof", dof)


def _check_output(shape: tuple[int, ...], dof: int) -> None:
    if shape not in ((dof,), (2 * dof,)):
        raise ValueError(
            f"`network` returned shape {shape}; expected ({dof},) for the second-order or ({2 * dof},) for the "
            f"first-order form"
        )
