"""The candidates of an identification, fitted and compared on the validation set."""

from .all_candidates import (
    Known,
    candidate_of,
    compared_candidates,
    known_candidates,
    prior_of,
    with_formula_terms,
)
from .contest import NULL, Candidate, Contest, Difference
from .control_lag import control_lag
from .disturbed import Span, said_of, undisturbed
from .trial import Trial

__all__ = [
    "NULL",
    "Candidate",
    "Contest",
    "Difference",
    "Known",
    "Span",
    "Trial",
    "candidate_of",
    "compared_candidates",
    "control_lag",
    "known_candidates",
    "prior_of",
    "said_of",
    "undisturbed",
    "with_formula_terms",
]
