import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.mechanics import mass_matrix_report

from ..helpers import DTYPE, states


def test_rank_and_condition_along_a_path():
    """M = [[1, q_0], [q_0, 1]] in any units: its condition is (1 + |q_0|) / |1 - |q_0||."""

    def lagrangian(t, q, v):
        w = v * jnp.asarray([1e3, 1e-4], DTYPE)
        return 0.5 * (w[0] ** 2 + 2 * q[0] * w[0] * w[1] + w[1] ** 2)

    _, q, v = states(2, 4)
    q = q.at[:, 0].set(jnp.asarray([0.5, 1.0, -0.25, 2.0], DTYPE))
    report = mass_matrix_report(lagrangian, jnp.arange(4, dtype=DTYPE), jnp.concatenate([q, v], axis=1))
    np.testing.assert_array_equal(report.rank, [2, 1, 2, 2])
    np.testing.assert_allclose(report.condition[np.array([0, 2])], [3, 5 / 3], rtol=1e-4)
    assert report.condition[1] > 1e6
    assert "rank lost at 1" in str(report)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="`ys` has 3 rows; expected 2"):
        mass_matrix_report(lambda t, q, v: v @ v, jnp.zeros(2), jnp.zeros((3, 2)))
