import pkgutil
import subprocess
import sys
from importlib import import_module

import neural_lagrangian as nl

from . import xla_flags
from .xla_flags import quick_to_compile, xla_knows

INTERNAL = {"command_line"}
NAMESPACES = {module.name for module in pkgutil.iter_modules(nl.__path__) if module.ispkg} - INTERNAL


def test_everything_promised_is_there():
    for name in nl.__all__:
        assert getattr(nl, name) is not None
    assert {"integrators", "mechanics", "discovery"} <= NAMESPACES
    for namespace in NAMESPACES:
        module = import_module(f"neural_lagrangian.{namespace}")
        assert all(hasattr(module, name) for name in module.__all__)


def test_no_flag_is_set_that_xla_does_not_know(monkeypatch):
    """It aborts on those, so that no test would run."""
    assert xla_knows("xla_force_host_platform_device_count")
    assert not xla_knows("xla_no_such_flag")
    monkeypatch.setattr(xla_flags, "QUICK_TO_COMPILE", "xla_no_such_flag")
    assert quick_to_compile() == ""


def test_importing_the_package_alone_imports_nothing_that_computes():
    code = """
import sys
import neural_lagrangian
assert not {"jax", "numpy", "scipy", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_all_of_it_changes_no_global_configuration():
    """And what trains does not bring along what draws."""
    code = """
import sys
import warnings
import jax
before = dict(jax.config.values)
import neural_lagrangian as nl
nl.NeuralLagrangian, nl.simulate, nl.fit
assert not {"matplotlib", "scipy.io", "scipy.optimize"} & set(sys.modules)
with warnings.catch_warnings(action="ignore"):  # what an old one is warned of is its own
    import matplotlib.pyplot
from neural_lagrangian import *
assert dict(jax.config.values) == before
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_every_public_object_is_documented():
    for module in (nl, *(import_module(f"neural_lagrangian.{namespace}") for namespace in NAMESPACES)):
        assert all(getattr(module, name).__doc__ for name in module.__all__)
