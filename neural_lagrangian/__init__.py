"""Learn the Lagrangian of a mechanical system from its motion, and integrate what was learned.

The stub beside this file says what the package holds; each is imported when it is first asked for.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("neural_lagrangian")
