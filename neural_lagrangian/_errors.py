"""What may go wrong without a fault of the program."""


class NeuralLagrangianError(Exception):
    """An expected failure: data, a file, a training or options that do not allow what is asked for.

    The message says what came, what was expected and what would help. All errors that the package expects are
    subclasses, so that one `except` tells them from faults of a program; those of wrong values are `ValueError` too.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> try:
    ...     nl.Trajectories(np.array([0.0, 1.0, 1.0]), np.zeros((3, 2)))
    ... except nl.NeuralLagrangianError as error:
    ...     print(error)
    trajectory 0, index 2: time repeats: 1.0 follows 1.0; expected strictly increasing times
    ```
    """


class MissingPackageError(NeuralLagrangianError, ImportError):
    """An optional package that is not installed; the message says how to install it."""
