"""Errors of control."""

from .._errors import NeuralLagrangianError


class ControlError(NeuralLagrangianError, ValueError):
    """A controller that the task asks for does not exist.

    The linearisation cannot be stabilised, limits cannot be met, or the model has no control. The message names the
    cause and says what to do.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v)
    >>> try:
    ...     nl.control.linearize(free, jnp.zeros(2), jnp.zeros(1))
    ... except nl.control.ControlError as error:
    ...     print("expected one ControlForce" in str(error))
    True
    ```
    """
