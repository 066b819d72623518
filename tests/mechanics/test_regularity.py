import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl

from ..helpers import DTYPE, states


def test_rank_and_condition_along_a_path():
    """M = diag(1, q_1): its condition is 1 / |q_1|, and its rank falls where q_1 passes zero."""

    def lagrangian(t, q, v):
        return 0.5 * (v[0] ** 2 + q[0] * v[1] ** 2)

    _, q, v = states(2, 4)
    q = q.at[:, 0].set(jnp.asarray([0.5, 0.0, -0.25, 2.0], DTYPE))
    report = nl.mass_matrix_report(lagrangian, jnp.arange(4, dtype=DTYPE), jnp.concatenate([q, v], axis=1))
    np.testing.assert_array_equal(report.rank, [2, 1, 2, 2])
    np.testing.assert_allclose(report.condition, [2, np.inf, 4, 2], rtol=1e-5)
    assert "rank lost at 1, indefinite at 1" in str(report)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="`ys` has 3 rows; expected 2"):
        nl.mass_matrix_report(lambda t, q, v: v @ v, jnp.zeros(2), jnp.zeros((3, 2)))
