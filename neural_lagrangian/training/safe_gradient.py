"""The gradient of a batch, without the samples that diverge."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, DTypeLike, Float, Int, PyTree

from .loss import beside

CAUSES = ("loss not finite", "derivative not finite", "loss exploded")
"""Reasons to leave a sample out, in the order of `SafeGradient.causes`."""


class SafeGradient(eqx.Module):
    """Mean loss and gradient over the samples of a batch that do not diverge.

    - `loss`, `gradient`: mean loss of these samples, and its gradient with respect to `params`.
    - `by_sample`: derivatives of the loss with respect to the samples, a tree like the batch. Zero for samples that are
      left out, `None` for leaves that are not floating-point arrays.
    - `cause`: for each sample zero, or one plus the index in `CAUSES` of the reason to leave it out.
    - `count`: number of samples that do not diverge.
    - `causes`: number of samples left out, for each of `CAUSES`.
    """

    loss: Float[Array, ""]
    gradient: PyTree
    by_sample: PyTree
    cause: Int[Array, " batch"]
    count: Int[Array, ""]
    causes: Int[Array, " cause"]

    @property
    def kept(self) -> Bool[Array, " batch"]:
        """Whether each sample is kept, that is, does not diverge."""
        return self.cause == 0

    @property
    def failures(self) -> Int[Array, ""]:
        """Number of samples that diverged."""
        return jnp.sum(~self.kept)

    @property
    def usable(self) -> Bool[Array, ""]:
        """Whether a sample is kept and the gradient is finite."""
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(self.gradient)]
        return jnp.all(jnp.stack([self.count > 0, jnp.isfinite(self.loss), *finite]))


def safe_gradient(
    loss: Callable[[Any, Any], Float[Array, ""]],
    params: PyTree,
    batch: PyTree,
    *,
    limit: float = 1e10,
    axis: str | None = None,
) -> SafeGradient:
    """Mean loss over a batch and its gradient, as if samples that diverge had not been in it.

    A sample diverges if its loss is not finite, if the derivative of its loss with respect to the sample is not finite,
    or if its loss is more than `limit` times the median of the positive losses of the batch.

    To set the loss of such a sample to zero is not enough: zero times an infinite derivative is NaN. The sample is
    replaced by one that does not diverge, and the batch is computed again. A batch without such samples is computed
    once.

    **Arguments:**

    - `loss`: `loss(params, sample) -> scalar`.
    - `params`: a pytree of floating-point arrays, with respect to which the gradient is taken.
    - `batch`: the samples, a pytree of arrays with the batch axis first, such as a `Window` of many windows.
    - `limit`: largest loss of a sample, divided by the median. It is large, since the losses of one batch may differ by
      orders of magnitude.
    - `axis`: inside `jax.shard_map`, the axis of devices over which the batch is sharded. Each device gets the loss,
      the gradient and the counts of the whole batch.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> loss = lambda k, sample: k * sample
    >>> found = nl.training.safe_gradient(loss, jnp.array(2.0), jnp.array([1.0, 3.0, jnp.inf]))  # one sample diverges
    >>> float(found.loss), float(found.gradient), int(found.failures)
    (4.0, 2.0, 1)
    ```
    """

    def of_sample(params, sample):
        return scalar("loss", loss(params, sample))

    def summed(params, floating, rest, kept):
        losses = jax.vmap(of_sample, (None, 0))(params, eqx.combine(floating, rest))
        return jnp.sum(jnp.where(kept, losses, 0)), losses

    def attempt(state: tuple[SafeGradient, Array]) -> tuple[SafeGradient, Array]:
        previous, _ = state
        kept = previous.kept
        stand_in = jnp.argmax(kept)
        safe = jax.tree.map(lambda x: jnp.where(beside(kept, x), x, x[stand_in]), batch)
        floating, rest = eqx.partition(safe, eqx.is_inexact_array)
        (value, losses), slopes = jax.value_and_grad(summed, (0, 1), has_aux=True)(params, floating, rest, kept)
        # If no sample is kept, the stand-in diverges too.
        value, slopes = jax.tree.map(lambda x: jnp.where(jnp.any(kept), x, 0), (value, slopes))
        (value, gradient, number), by_sample = _total((value, slopes[0], jnp.sum(kept)), axis), slopes[1]
        share = 1 / jnp.maximum(number, 1).astype(losses.dtype)
        value, gradient, by_sample = jax.tree.map(lambda x: x * share, (value, gradient, by_sample))
        found = _causes(losses, by_sample, limit, _median_positive(_gathered(losses, axis)))
        cause = jnp.where(kept, found, previous.cause)
        counts = jnp.sum(cause[:, None] == jnp.arange(1 + len(CAUSES))[None], axis=0)
        counts, changed = _total((counts, jnp.sum(cause != previous.cause)), axis)
        return SafeGradient(value, gradient, by_sample, cause, counts[0], counts[1:]), changed == 0

    def unfinished(state: tuple[SafeGradient, Array]) -> Array:
        result, settled = state
        return ~settled & (result.count > 0)

    batch = jax.tree.map(jnp.asarray, batch)
    first = jax.tree.map(lambda x: x[0], batch)
    dtype = jax.eval_shape(of_sample, params, first).dtype
    result, _ = jax.lax.while_loop(unfinished, attempt, (_all_kept(params, batch, dtype, axis), jnp.array(False)))
    return result


def _all_kept(params: PyTree, batch: PyTree, dtype: DTypeLike, axis: str | None) -> SafeGradient:
    """The state before the first attempt: all samples are kept, loss and gradient are zero."""
    no_gradient, none_by_sample = jax.tree.map(jnp.zeros_like, (params, eqx.filter(batch, eqx.is_inexact_array)))
    none = jnp.zeros(jax.tree.leaves(batch)[0].shape[0], int)
    count = _total(jnp.sum(none == 0), axis)
    return SafeGradient(jnp.zeros((), dtype), no_gradient, none_by_sample, none, count, jnp.zeros(len(CAUSES), int))


def _causes(
    losses: Float[Array, " batch"], by_sample: PyTree, limit: float, usual: Float[Array, ""]
) -> Int[Array, " batch"]:
    """The reason why each sample diverges, as `SafeGradient.cause`."""
    sound = [jnp.all(jnp.isfinite(x.reshape(x.shape[0], -1)), axis=1) for x in jax.tree.leaves(by_sample)]
    exploded = losses > limit * usual
    faults = (~jnp.isfinite(losses), ~jnp.all(jnp.stack(sound), axis=0), exploded)
    return jnp.select(faults, list(range(1, 1 + len(CAUSES))), 0)


def _total(x: PyTree, axis: str | None) -> PyTree:
    """Sum over the devices along an axis, if there is one."""
    if axis is None:
        return x
    flat, unravel = ravel_pytree(x)  # one message for all
    return unravel(jax.lax.psum(flat, axis))


def _gathered(x: Array, axis: str | None) -> Array:
    """The rows of all devices along an axis, if there is one."""
    return x if axis is None else jax.lax.all_gather(x, axis, tiled=True)


def _median_positive(losses: Float[Array, " batch"]) -> Float[Array, ""]:
    """Median of the positive losses; NaN if there are none. Zero losses, as of samples at rest, do not count."""
    return jnp.nanmedian(jnp.where(losses > 0, losses, jnp.nan))


def scalar(argument: str, value: Any) -> Array:
    """Check the value that a loss returns: `ValueError` if it is not one real number."""
    if isinstance(value, Array) and value.shape == () and jnp.issubdtype(value.dtype, jnp.floating):
        return value
    came = f"shape {value.shape}, dtype {value.dtype}" if isinstance(value, Array) else f"a {type(value).__name__}"
    advice = ". Leave out auxiliary output: callbacks see the model" if isinstance(value, tuple) else ""
    raise ValueError(f"`{argument}` returns {came}; expected one real number for each window{advice}")
