"""Gradients of a batch in which some samples diverge: exactly those of the samples that do not."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

CAUSES = ("loss not finite", "derivative not finite", "loss exploded")
"""Why a sample is left out, in the order of `SafeGradient.causes`."""


class SafeGradient(eqx.Module):
    """Loss and gradient over the samples of a batch that behaved. `by_sample`: the derivatives of the loss in the
    samples, arrays like the batch; zero for the others. `cause`: zero for those that behaved, for each other one more
    than the index of its reason in `CAUSES`.
    """

    loss: Float[Array, ""]
    gradient: PyTree
    by_sample: PyTree
    cause: Int[Array, " batch"]

    @property
    def kept(self) -> Bool[Array, " batch"]:
        """Which samples behaved."""
        return self.cause == 0

    @property
    def failures(self) -> Int[Array, ""]:
        """Number of samples that diverged."""
        return jnp.sum(~self.kept)

    @property
    def causes(self) -> Int[Array, " cause"]:
        """Number of samples that diverged for each of `CAUSES`."""
        return jnp.sum(self.cause[:, None] == 1 + jnp.arange(len(CAUSES))[None], axis=0)

    @property
    def usable(self) -> Bool[Array, ""]:
        """Whether any sample was left and its gradient is finite."""
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(self.gradient)]
        return jnp.all(jnp.stack([jnp.any(self.kept), jnp.isfinite(self.loss), *finite]))


def safe_gradient(
    loss: Callable[..., Float[Array, ""]],
    params: PyTree,
    batch: tuple[Array | None, ...],
    *,
    limit: float = 1e10,
) -> SafeGradient:
    """Mean loss over a batch and its gradient, as if samples that diverge had not been in it.

    Setting the loss of a diverged sample to zero is not enough: its infinite derivatives times zero are NaN. The
    sample itself is replaced, by one that behaved, and the batch is solved again. A batch in which all is well is
    solved once. A sample diverges when its loss, or the derivative of its loss by the sample, is not finite, or its
    loss is more than `limit` times the batch's median.

    **Arguments:**

    - `loss`: `loss(params, *sample) -> scalar`.
    - `params`: what is differentiated, a pytree of floating arrays.
    - `batch`: arrays with the batch axis first; `None` is passed on.
    - `limit`: see above; generous, since honest losses of one batch differ by orders of magnitude.
    """

    def mean_loss(params, batch, kept):
        losses = jax.vmap(loss, (None, *(0 for _ in batch)))(params, *batch)
        return jnp.sum(jnp.where(kept, losses, 0)) / jnp.maximum(jnp.sum(kept), 1).astype(losses.dtype), losses

    def attempt(state: tuple[SafeGradient, Array]) -> tuple[SafeGradient, Array]:
        previous, _ = state
        kept = previous.kept
        stand_in = jnp.argmax(kept)
        safe = jax.tree.map(lambda x: jnp.where(_rows(kept, x), x, x[stand_in]), batch)
        (value, losses), (gradient, by_sample) = jax.value_and_grad(mean_loss, argnums=(0, 1), has_aux=True)(
            params, safe, kept
        )
        slopes = [jnp.all(jnp.isfinite(x.reshape(x.shape[0], -1)), axis=1) for x in jax.tree.leaves(by_sample)]
        exploded = losses > limit * jnp.maximum(jnp.nanmedian(losses), jnp.finfo(losses.dtype).eps)
        faults = (~jnp.isfinite(losses), ~jnp.all(jnp.stack(slopes), axis=0), exploded)
        found = jnp.select(faults, list(range(1, 1 + len(CAUSES))), 0)
        cause = jnp.where(kept, found, previous.cause)
        return SafeGradient(value, gradient, by_sample, cause), jnp.all(cause == previous.cause)

    def unfinished(state: tuple[SafeGradient, Array]) -> Array:
        result, settled = state
        return ~settled & jnp.any(result.kept)

    size = jax.tree.leaves(batch)[0].shape[0]
    structure = jax.eval_shape(loss, params, *jax.tree.map(lambda x: x[0], batch))
    no_gradient, none_by_sample = jax.tree.map(jnp.zeros_like, (params, batch))
    start = SafeGradient(jnp.zeros((), structure.dtype), no_gradient, none_by_sample, jnp.zeros(size, int))
    result, _ = jax.lax.while_loop(unfinished, attempt, (start, jnp.array(False)))
    return result


def _rows(mask: Bool[Array, " batch"], like: Array) -> Array:
    return mask.reshape(-1, *(1 for _ in like.shape[1:]))
