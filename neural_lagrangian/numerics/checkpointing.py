"""What a reverse pass keeps of each step, and what it computes again."""

from functools import partial

import jax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import PyTree

STAGE = "neural_lagrangian.stage"
"""Name, for `jax.checkpoint` policies, of what is worth keeping: a solution and the factors that it came from."""

KEEP_STAGES = partial(jax.checkpoint, policy=jax.checkpoint_policies.save_only_these_names(STAGE))
"""Decorator: on the way back, all but what `keep` named is computed again."""


def keep(tree: PyTree) -> PyTree:
    """`tree`, named as worth keeping."""
    return jax.tree.map(lambda x: checkpoint_name(x, STAGE), tree)
