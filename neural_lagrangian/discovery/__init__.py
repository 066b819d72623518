"""From motion or a trained network to a formula: coefficients of known families."""

from .coefficients import CoefficientFit as CoefficientFit
from .coefficients import fit_coefficients as fit_coefficients
from .family import LagrangianFamily as LagrangianFamily
from .identifiability import Identifiability as Identifiability
from .encoder import CoefficientEncoder as CoefficientEncoder
from .encoder import encoder_loss as encoder_loss
