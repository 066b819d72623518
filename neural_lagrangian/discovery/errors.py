"""The error of discovery."""

from .._errors import NeuralLagrangianError


class EquationsError(NeuralLagrangianError, ValueError):
    """A Lagrangian or a library gives no usable equations of motion at the given states.

    Something is not finite there, there is no mass matrix, or there are too few states.
    """
