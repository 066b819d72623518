"""What may be wrong with a Lagrangian, or with states, from which a formula is to be found."""

from .._errors import NeuralLagrangianError


class EquationsError(NeuralLagrangianError, ValueError):
    """No equations of motion can be read from a Lagrangian or from candidate terms at the states given: something is
    not finite there, there is no mass matrix, or there are too few states.
    """
