"""The candidates of an identification, fitted and compared on the validation set."""

from .all_candidates import Known, compared_candidates, known_candidates, with_formula_terms
from .contest import NETWORK, NULL, Candidate, Contest, Difference
from .control_lag import control_lag
from .disturbed import Span, said_of, undisturbed
from .trial import Trial

__all__ = [
    "NETWORK",
    "NULL",
    "Candidate",
    "Contest",
    "Difference",
    "Known",
    "Span",
    "Trial",
    "compared_candidates",
    "control_lag",
    "known_candidates",
    "said_of",
    "undisturbed",
    "with_formula_terms",
]
