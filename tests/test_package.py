import subprocess
import sys

import neural_lagrangian as nl


def test_everything_promised_is_there():
    for name in nl.__all__:
        assert getattr(nl, name) is not None
    for namespace in ("systems", "datasets", "analysis", "training", "mechanics", "discovery"):
        module = getattr(nl, namespace)
        assert all(hasattr(module, name) for name in module.__all__)


def test_importing_changes_no_global_configuration():
    code = """
import jax
before = dict(jax.config.values)
from neural_lagrangian import *
assert dict(jax.config.values) == before
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_what_is_not_asked_for_is_not_imported():
    code = """
import sys
def imported():
    return {"jax", "matplotlib", "optax", "scipy.io"} & set(sys.modules)
import neural_lagrangian as nl
assert not imported(), imported()
nl.NeuralLagrangian
assert imported() == {"jax"}, imported()
nl.simulate, nl.fit
assert imported() == {"jax", "optax"}, imported()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


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
