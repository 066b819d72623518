"""Formulas from noisy motion, with many terms too many: the right formula, or a refusal.

The recordings are those of Purnomo and Hayashibe (2023): 100 motions of 5 s at 100 Hz, with noise on states and
accelerations.
"""

import pytest

from bench.recovery import PUBLISHED, WAYS, _run

from ..helpers import slow

pytestmark = pytest.mark.double


def drawn(name, noise, seed=0):
    return _run("noise", name, noise, WAYS[0], False, seed)


NOISES = [(name, case.noises, k) for name, case in PUBLISHED.items() for k in range(3)]
TWICE = ("single pendulum", PUBLISHED["single pendulum"].noises, 1)


@pytest.mark.parametrize(("name", "noises", "k"), [TWICE, *(slow(*one) for one in NOISES if one != TWICE)])
def test_up_to_twice_the_published_noise_the_formula_is_found_and_above_no_wrong_one(name, noises, k):
    draw = drawn(name, noises[k])
    if k < 2:
        assert draw["verdict"] == "right", draw
        assert draw["worst"] < 0.02
    else:
        assert draw["verdict"] != "wrong", draw


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "seed"), [(0.04, 4), (0.04, 10), (0.08, 9)])
def test_a_cart_released_at_rest_is_found(noise, seed):
    """Its momentum is zero, so other formulas of four terms, with an indefinite mass matrix, are equal there.

    The search passes a singular mass matrix.
    """
    draw = drawn("cart with pole", noise, seed)
    assert draw["verdict"] == "right"
    assert draw["worst"] < 0.01
