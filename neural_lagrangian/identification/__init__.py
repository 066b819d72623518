"""From a recording to a judged model of its motion, its formula and a report: what the command line does, in Python.

The stub beside this file says where each name is; each is imported when it is first asked for.
"""

# pyright: reportUnsupportedDunderAll=false
import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [
    "Identified",
    "Inspection",
    "Learned",
    "NoAnswerError",
    "Remark",
    "UsageError",
    "identify",
    "inspect",
    "load_model",
]
