"""Base classes of the package's errors."""


class NeuralLagrangianError(Exception):
    """Base class of the errors that the package raises for unusable data, files, options or trainings.

    The message says what was given, what was expected and what to do next. One `except NeuralLagrangianError` catches
    all of them and no programming error. Errors about wrong values are subclasses of `ValueError` too.

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
    """An optional package is not installed. The message says how to install it."""
