import subprocess
import sys

import neural_lagrangian as nl


def test_everything_promised_is_there():
    for name in nl.__all__:
        assert getattr(nl, name) is not None
    for namespace in ("systems", "datasets", "analysis", "training", "mechanics", "discovery"):
        module = getattr(nl, namespace)
        assert all(hasattr(module, name) for name in module.__all__)


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
    for module in (
        nl,
        nl.systems,
        nl.datasets,
        nl.analysis,
        nl.training,
        nl.mechanics,
        nl.models,
        nl.trajectories,
        nl.discovery,
    ):
        assert all(getattr(module, name).__doc__ for name in module.__all__)
