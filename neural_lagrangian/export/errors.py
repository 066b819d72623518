"""Errors of `export`."""

from .._errors import NeuralLagrangianError


class ExportError(NeuralLagrangianError):
    """A model contains an operation that the exported program cannot hold. The message says which, and what to do.

    **Example:**

    ```python
    >>> import jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> strange = nl.NeuralODE(lambda y: jnp.sort(y)[:1], dof=1)
    >>> try:
    ...     nl.export.to_c(strange, "strange.c")
    ... except nl.export.ExportError as error:
    ...     print(str(error).split(";")[0])
    `model` has no C program: its vector field contains the operation `sort`
    ```
    """
