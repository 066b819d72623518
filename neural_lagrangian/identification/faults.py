"""Errors of `identification`."""

from .._errors import NeuralLagrangianError


class NoAnswerError(NeuralLagrangianError):
    """The data, a file or the training give no answer. The message says why, and what would help.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> try:
    ...     nl.load_model("absent")
    ... except nl.identification.NoAnswerError as error:
    ...     print(error)
    absent has no settings.json; name a folder that `identify` has written
    ```
    """


class UsageError(NeuralLagrangianError, ValueError):
    """The options contradict each other or do not fit the recording.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> try:
    ...     nl.identification.inspect("pendulum.csv", dof=2, coordinates=["theta"])
    ... except nl.identification.UsageError as error:
    ...     print(error)
    `dof` is 2, but `coordinates` names 1 columns; give one of them
    ```
    """
