"""From a recording to a judged model of its motion, with a report: what the command line does, in Python.

The stub beside this file says where each name is; all are imported when they are first asked for, so that `--help` of
the command line loads nothing that computes.
"""

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["load_model"]
