"""Gradient checkpointing of solver steps: which values the backward pass stores and which it recomputes."""

from functools import partial

import jax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import PyTree

STAGE = "neural_lagrangian.stage"
"""Name, for `jax.checkpoint` policies, of the stored values: solutions of equations, and their matrix factors."""

KEEP_STAGES = partial(jax.checkpoint, policy=jax.checkpoint_policies.save_only_these_names(STAGE))
"""Decorator: the backward pass stores only the values marked by `keep` and recomputes all others."""


def keep(tree: PyTree) -> PyTree:
    """Mark the arrays of `tree` as values to store for the backward pass."""
    return jax.tree.map(lambda x: checkpoint_name(x, STAGE), tree)
