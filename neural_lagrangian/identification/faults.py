"""What the identification refuses."""

from .._errors import NeuralLagrangianError


class NoAnswerError(NeuralLagrangianError):
    """The data, a file or the training do not allow what is asked for; the message says why, and what would help."""


class UsageError(NeuralLagrangianError, ValueError):
    """Options that contradict each other, the kind of file, or what else is given."""
