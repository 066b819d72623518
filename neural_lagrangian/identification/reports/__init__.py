"""The report: results, verdict, figures and the HTML page."""

from .outcome import Outcome, models_of, why
from .report import write_report
from .templates import rendered
from .verdict import NOT_BETTER, verdict, verdict_on

__all__ = ["NOT_BETTER", "Outcome", "models_of", "rendered", "verdict", "verdict_on", "why", "write_report"]
