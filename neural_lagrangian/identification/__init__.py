"""Learn a model from a recording of motion, find its formula and report its errors: the command line, in Python.

The stub `__init__.pyi` lists the file of each name. A name is imported when it is first used.
"""

# pyright: reportUnsupportedDunderAll=false
import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [
    "Family",
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
