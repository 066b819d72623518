"""Learn the Lagrangian of a mechanical system from its motion, and integrate what was learned.

The stub beside this file lists the contents of the package. Each name is imported when it is first used.
"""

from importlib.metadata import version
from types import ModuleType
from typing import Any

import lazy_loader

_imported, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("neural_lagrangian")


def __getattr__(name: str) -> Any:
    try:
        return _imported(name)
    except AttributeError:
        spaces = () if name.startswith("_") else filter(_is_namespace, __all__)
        homes = [f"`neural_lagrangian.{space}.{name}`" for space in spaces if name in _imported(space).__all__]
        if not homes:
            raise
        raise AttributeError(f"`neural_lagrangian` has no `{name}`; it is {homes[0]}") from None


def _is_namespace(name: str) -> bool:
    return isinstance(_imported(name), ModuleType)
