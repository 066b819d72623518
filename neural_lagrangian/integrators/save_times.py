"""Times of a rollout, counted from its start.

For large times, such as seconds since 1970, a small step would be lost in round-off. The time since the start keeps it.
"""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, DTypeLike, PyTree

from .._checks import floating, is_concrete
from .._types import Scalar, Times
from ..mechanics import EulerLagrangeTerm


class SaveTimes(eqx.Module):
    """The times of a rollout: the first time `start`, and the times since then, `elapsed`, shape `(time,)`.

    `intervals`: times from sample to sample if their values are known, else `None`.
    """

    start: Scalar
    elapsed: Times
    intervals: np.ndarray | None = None

    @classmethod
    def of(cls, ts: ArrayLike, dtype: DTypeLike) -> "SaveTimes":
        """The save times from an array in any precision. Known times are subtracted before rounding to `dtype`."""
        known, intervals = is_concrete(ts) and np.ndim(ts) == 1 and np.size(ts) > 0, None
        if known:
            intervals = np.diff(np.asarray(ts, np.float64))
        if known and np.asarray(ts).dtype == np.float64:
            ts = np.asarray(ts)
            return cls(jnp.asarray(ts[0], dtype), jnp.asarray(ts - ts[0], dtype), intervals)
        ts = floating("ts", ts, ("time",)).astype(dtype)
        return cls(ts[0], ts - ts[0], intervals)

    @property
    def ts(self) -> Times:
        """The absolute times, in this precision."""
        return self.start + self.elapsed


class Later(eqx.Module):
    """A function of time and other arguments, called with the time since `start`."""

    fn: Callable[..., Any]
    start: Scalar

    def __call__(self, t: ArrayLike, *rest: Any) -> Any:
        return self.fn(self.start + jnp.asarray(t, self.start.dtype), *rest)


class _LaterTerm(diffrax.AbstractTerm):
    """A diffrax term, called with the time since `start`."""

    term: diffrax.AbstractTerm
    start: Scalar

    def vf(self, t: Any, y: Any, args: PyTree) -> Any:
        return self.term.vf(self.start + t, y, args)

    def contr(self, t0: Any, t1: Any, **kwargs: Any) -> Any:
        return self.term.contr(t0, t1, **kwargs)

    def prod(self, vf: Any, control: Any) -> Any:
        return self.term.prod(vf, control)


def later(term: diffrax.AbstractTerm, start: Scalar) -> diffrax.AbstractTerm:
    """The diffrax term with its time counted from `start`."""
    if not isinstance(term, EulerLagrangeTerm):
        return _LaterTerm(term, start)
    C = term.constraint
    return EulerLagrangeTerm(
        Later(term.lagrangian, start),
        None if term.force is None else Later(term.force, start),
        constraint=None if C is None else eqx.tree_at(lambda C: C.g, C, Later(C.g, start)),
        mass_solve=term.mass_solve,
        solved=None if term.solved is None else Later(term.solved, start),
    )
