"""Random split of trajectories into training, validation and test sets."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from .container import Trajectories
from .errors import SplitError


def split(
    trajectories: Trajectories, parts: Sequence[float] | Sequence[int], *, key: PRNGKeyArray
) -> tuple[Trajectories, ...]:
    """Split trajectories at random into parts, such as training, validation and test sets.

    `train, validation, test = split(trajectories, (0.7, 0.15, 0.15), key=key)`. Each trajectory is in exactly one part.
    The same key gives the same parts. Inside a part the trajectories keep their order.

    **Arguments:**

    - `trajectories`: at least as many as there are parts. Pieces of one long recording resemble their neighbours, so
      select these by number with `select` instead.
    - `parts`: sizes of the parts: fractions that sum to 1, or integers that sum to the number of trajectories.
    - `key`: a JAX random key.

    **Raises:** `SplitError` if the sizes do not sum to the whole, or if a part would be empty.

    **Example:**

    ```python
    >>> import jax, numpy as np, neural_lagrangian as nl
    >>> motion = nl.Trajectories(np.arange(5.0), np.ones((10, 5, 2)))
    >>> train, test = nl.trajectories.split(motion, (0.8, 0.2), key=jax.random.key(0))
    >>> len(train), len(test)
    (8, 2)
    ```
    """
    counts = _counts(parts, len(trajectories))
    order = np.asarray(jax.random.permutation(key, len(trajectories)))
    return tuple(trajectories.select(np.sort(part)) for part in np.split(order, np.cumsum(counts)[:-1]))


def _counts(parts: Sequence[float] | Sequence[int], total: int) -> np.ndarray:
    """The numbers of trajectories in the parts. Fractions are rounded so that the sum is right (largest remainders)."""
    sizes = np.asarray(parts)
    expected = total if sizes.dtype.kind in "iu" else 1.0
    if sizes.ndim != 1 or sizes.dtype.kind not in "iuf" or not abs(sizes.sum() - expected) < 1e-6:
        raise SplitError(
            f"`parts` is {parts!r}; expected fractions that sum to 1, or integers that sum to {total}, all trajectories"
        )
    shares = sizes if sizes.dtype.kind in "iu" else sizes * total
    counts = np.floor(shares + 1e-9).astype(int)
    counts[np.argsort(counts - shares, kind="stable")[: total - counts.sum()]] += 1
    if counts.min() < 1:
        raise SplitError(
            f"`parts` {tuple(parts)} of {total} trajectories are {counts.tolist()}; expected none empty: use fewer "
            f"parts or more trajectories"
        )
    return counts
