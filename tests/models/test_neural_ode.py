import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl

from ..helpers import DTYPE, small_network

Y = jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE)


def test_the_output_size_tells_the_order():
    first, second = small_network(out=4), small_network(out=2)
    np.testing.assert_array_equal(nl.NeuralODE(first).vector_field(0.0, Y), first(Y))
    np.testing.assert_array_equal(nl.NeuralODE(second).vector_field(0.0, Y), jnp.concatenate([Y[2:], second(Y)]))


def test_a_known_vector_field_gives_the_known_motion():
    model = nl.NeuralODE(lambda y: jnp.stack([-y[0]]))
    ts = jnp.linspace(0.0, 1.0, 5)
    ys = eqx.filter_jit(model)(ts, jnp.asarray([1.0, 0.0], DTYPE))
    np.testing.assert_allclose(ys, jnp.stack([jnp.cos(ts), -jnp.sin(ts)], axis=1), atol=1e-4)


@pytest.mark.bad_input
@pytest.mark.parametrize("out", ["scalar", 1, 3])
def test_wrong_output_sizes_are_named(out):
    with pytest.raises(ValueError, match=r"`network` returned shape .*; expected \(2,\) for the second-order"):
        nl.NeuralODE(small_network(out=out))
