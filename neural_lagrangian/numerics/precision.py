"""The precision in which JAX computes, for a while."""

from contextlib import AbstractContextManager

import jax

_enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # pyright: ignore


def precision(*, double: bool) -> AbstractContextManager[None]:
    """A context in which JAX's default is double precision, or single, whatever it is outside."""
    return _enable_x64(double)
