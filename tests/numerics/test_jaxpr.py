"""Functions as lists of steps; and what is left where JAX no longer lets them be taken apart."""

import warnings
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.numerics import jaxpr
from neural_lagrangian.numerics.jaxpr import depends, program_of

from ..helpers import DOUBLE, DTYPE, small_network

RTOL = 1e-12 if DOUBLE else 1e-5

X = jnp.asarray([0.3, -0.7], DTYPE)
FUNCTIONS = {
    "product": lambda x: jnp.asarray([[1.0, 2.0], [3.0, 4.0]], x.dtype) @ x,
    "call": lambda x: jax.jit(jnp.tanh)(x) / 2,
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda _, y: jnp.sin(y), x),
    "unused": lambda x: (jnp.exp(x), jnp.cos(x))[1],
    "constant": lambda x: jnp.ones_like(x),
}


@pytest.fixture
def changed_jax(monkeypatch):
    """A JAX whose programs have nothing that is read here."""
    jaxpr._can_be_taken_apart.cache_clear()
    monkeypatch.setattr(jaxpr, "core", SimpleNamespace())
    yield
    jaxpr._can_be_taken_apart.cache_clear()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_program_is_its_function(name):
    fn = FUNCTIONS[name]
    np.testing.assert_allclose(program_of(fn, X)(X), fn(X), rtol=RTOL)
    assert depends(fn, X) == (name != "constant")


def test_where_jax_has_changed_the_answers_stay_after_one_warning(changed_jax):
    model = nl.NeuralLagrangian(small_network())
    y = jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE)
    with pytest.warns(UserWarning, match="cannot read the jaxprs"):
        whole = model.vector_field(0.0, y)
    with warnings.catch_warnings():  # a second one would be an error
        assert len(program_of(FUNCTIONS["call"], X).steps) == 1
        assert depends(FUNCTIONS["constant"], X)  # not known: assumed
    jaxpr._can_be_taken_apart.cache_clear()
    jaxpr.core = jax.extend.core
    np.testing.assert_allclose(whole, nl.NeuralLagrangian(small_network()).vector_field(0.0, y), rtol=RTOL)
