"""The candidates of an identification, fitted and compared on the validation set."""

from .all_candidates import Known, compared_candidates, known_candidates, with_formula_terms
from .contest import NETWORK, NULL, Candidate, Contest
from .control_lag import control_lag
from .trial import Trial

__all__ = [
    "NETWORK",
    "NULL",
    "Candidate",
    "Contest",
    "Known",
    "Trial",
    "compared_candidates",
    "control_lag",
    "known_candidates",
    "with_formula_terms",
]
