import numpy as np
import pytest

from neural_lagrangian.discovery.balance import Balance
from neural_lagrangian.discovery.elimination import SparseFit


@pytest.mark.parametrize(("u", "sigma"), [((2.5, 2.7), (1.9, 2.2)), ((1.8, 1.0), (1.8, 1.1)), ((0.2, 2.2), (1.9, 0.2))])
def test_a_mass_matrix_singular_but_for_rounding_is_no_fault(u, sigma):
    """Whether it counts as regular depends on units, in which its determinant is not exactly zero."""
    M, one = np.outer(u, u)[None, None], np.ones(1)
    balance = Balance(M, np.ones((1, 1, 2)), np.array(sigma), one, one, 1 / np.array(sigma))
    residual = balance.residual(SparseFit((0,), one, 0.0, np.zeros((1, 1))))
    assert residual.shape == (1, 2)
    assert not np.isnan(residual).any()
