import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_lagrangian.trajectories import SplitError, Trajectories, TrajectoryError, split


def numbered(count):
    """Trajectories that carry their own number, of unequal lengths."""
    return Trajectories(
        [np.arange(2.0 + i % 3) for i in range(count)], [np.full((2 + i % 3, 2), float(i)) for i in range(count)]
    )


def numbers(part):
    return [int(y[0, 0]) for _, y in part]


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=st.integers(0, 5), as_fractions=st.booleans())
def test_parts_are_disjoint_and_complete(counts, seed, as_fractions):
    total = sum(counts)
    sizes = [count / total for count in counts] if as_fractions else counts
    data, key = numbered(total), jax.random.key(seed)
    parts = split(data, sizes, key=key)
    assert [len(part) for part in parts] == counts
    found = [numbers(part) for part in parts]
    assert sorted(number for part in found for number in part) == list(range(total))
    assert all(part == sorted(part) for part in found)
    assert found == [numbers(part) for part in split(data, sizes, key=key)]
    for part in parts:
        assert list(part.lengths) == [2 + i % 3 for i in numbers(part)]


def test_another_key_gives_another_split_and_fractions_are_rounded_to_the_nearest():
    data = numbered(20)
    first, second = (numbers(split(data, (0.5, 0.5), key=jax.random.key(seed))[0]) for seed in (0, 1))
    assert first != second
    assert [len(part) for part in split(numbered(10), (0.72, 0.13, 0.15), key=jax.random.key(0))] == [7, 1, 2]
    assert [len(part) for part in split(numbered(3), (1 / 3,) * 3, key=jax.random.key(0))] == [1, 1, 1]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((0.5, 0.6), "expected fractions that sum to 1, or integers that sum to 10"),
        ((5, 6), "integers that sum to 10"),
        ((), "integers that sum to 10"),
        (("a", "b"), "integers that sum to 10"),
        ((0.98, 0.02), r"of 10 trajectories are \[10, 0\]; expected none empty"),
        ((11, -1), r"are \[11, -1\]; expected none empty"),
        ((float("nan"), 1.0), "expected fractions that sum to 1"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(parts, message):
    with pytest.raises(SplitError, match=message) as caught:
        split(numbered(10), parts, key=jax.random.key(0))
    assert isinstance(caught.value, TrajectoryError)
