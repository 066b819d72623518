"""Uncertainty bands from ensembles: mean, half width, calibration and coverage."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._types import Scalar


class Band(NamedTuple):
    """An uncertainty band: `centre` and `half_width`, both with the shape of one or several rollouts."""

    centre: Float[Array, "*rollouts time channel"]
    half_width: Float[Array, "*rollouts time channel"]


def ensemble_band(predictions: Float[ArrayLike, "member *rollouts time channel"], factor: float | Scalar = 2.0) -> Band:
    r"""The uncertainty band $\bar y \pm f s$ of an ensemble: mean $\bar y$ and standard deviation $s$ over the members.

    **Arguments:**

    - `predictions`: rollouts of each member, `(member, ..., time, channel)`, at least two members.
    - `factor`: $f$. Use `calibrated_factor` for a given coverage.

    **Raises:** `ValueError` for fewer than two members.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> members = jnp.array([[[3.0], [2.0]], [[3.0], [4.0]], [[3.0], [6.0]]])  # three members, two times
    >>> band = nl.analysis.ensemble_band(members)
    >>> band.centre.tolist(), band.half_width.tolist()
    ([[3.0], [4.0]], [[0.0], [4.0]])
    ```
    """
    predictions = jnp.asarray(predictions)
    if len(predictions) < 2:
        raise ValueError(f"`predictions` has {len(predictions)} members; expected at least 2")
    return Band(jnp.mean(predictions, axis=0), factor * jnp.std(predictions, axis=0, ddof=1))


def calibrated_factor(
    predictions: Float[ArrayLike, "member *rollouts time channel"],
    truth: Float[ArrayLike, "*rollouts time channel"],
    level: float = 0.9,
) -> Scalar:
    r"""The factor of `ensemble_band` for which the fraction `level` of held-out motion is inside the band:

    $$f = Q_{\text{level}}\left(\frac{|y - \bar y|}{s}\right)$$

    over all rollouts, times and channels (split conformal prediction, Lei et al. 2018, with errors divided by the
    spread). The first time does not count, because all members start from the true state. Held-out motion is needed,
    because all members may have the same error.

    **Arguments:**

    - `predictions`: predictions for held-out motions, as for `ensemble_band`. `truth`: the held-out motions.
    - `level`: coverage, between 0 and 1.

    **Raises:** `ValueError` for another level.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> members = jnp.array([[[0.0], [-1.0]], [[0.0], [1.0]]])  # two members, two times: their spread is 2^(1/2)
    >>> factor = nl.analysis.calibrated_factor(members, jnp.array([[0.0], [2.0]]))  # an error of 2
    >>> round(float(factor), 3)
    1.414
    ```
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` is {level}; expected a number between 0 and 1")
    centre, spread = ensemble_band(predictions, 1.0)
    errors = jnp.abs(jnp.asarray(truth) - centre)[..., 1:, :]
    spread = jnp.maximum(spread[..., 1:, :], jnp.finfo(centre.dtype).tiny)
    return jnp.nanquantile(errors / spread, level)


def coverage(band: Band, truth: Float[ArrayLike, "*rollouts time channel"]) -> Scalar:
    """The coverage of a band: the fraction of the values of a motion that are inside, a scalar.

    The first time does not count, because all predictions start from the same state.

    **Arguments:**

    - `band`: the band, such as one of `ensemble_band`.
    - `truth`: the true motion, with the shape of `band.centre`: `(time, channel)`, or one such array for each rollout.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> band = nl.analysis.Band(centre=jnp.zeros((3, 1)), half_width=jnp.ones((3, 1)))
    >>> float(nl.analysis.coverage(band, jnp.array([[0.0], [0.5], [2.0]])))  # one of two times
    0.5
    ```
    """
    within = jnp.abs(jnp.asarray(truth) - band.centre) <= band.half_width
    return jnp.mean(within[..., 1:, :])
