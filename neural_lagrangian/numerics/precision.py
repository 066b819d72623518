"""A context manager for JAX's default precision."""

from contextlib import AbstractContextManager

import jax

_enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # pyright: ignore


def precision(*, double: bool) -> AbstractContextManager[None]:
    """Context manager that sets JAX's default precision: double or single."""
    return _enable_x64(double)
