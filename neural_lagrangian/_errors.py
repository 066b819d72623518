"""What may go wrong without a fault of the program."""


class NeuralLagrangianError(Exception):
    """An expected failure: data, a file, a training or options that do not allow what is asked for.

    The message says what came, what was expected and what would help. All errors that the package expects are
    subclasses, so that one `except` tells them from faults of a program; those of wrong values are `ValueError` too.

    **Example:**

    ```python
    import neural_lagrangian as nl

    try:
        nl.read_trajectories({"t": ["now", "later"], "x": [0.0, 1.0]}, positions=["x"])
    except nl.NeuralLagrangianError as error:
        print(error)
    ```
    """


class MissingPackageError(NeuralLagrangianError, ImportError):
    """An optional package that is not installed; the message says how to install it."""
