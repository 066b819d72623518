"""Time as a network sees it."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from .._checks import floating, is_concrete


class Clock(eqx.Module):
    r"""Features of the time that a network sees in front of the state: $(\cos \omega_i t, \sin \omega_i t)$ for each
    frequency, or $t$ itself.

    A network of the first is exactly as periodic as the drive, at all times; one of $t$ itself is good for the times
    it was trained on.

    **Arguments:**

    - `frequencies`: $\omega_i$ in radians per unit of time; a number or a sequence. `None` means $t$ itself.
    - `trainable`: whether the frequencies are trained. Their gradient grows with time, and the loss has many minima
      in them: start within about $\pi / T$ of the truth, T the length of the data, or read them off a spectrum.

    **Raises:** `ValueError` if a frequency is not finite and different from zero.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> clock = nl.networks.Clock(2.0)  # a drive of 2 rad/s
    >>> clock.size, clock(0.0, jnp.float32).tolist()
    (2, [1.0, 0.0])
    ```
    """

    trained: Float[Array, " frequency"] | None
    fixed: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, frequencies: ArrayLike | Sequence[float] | None = None, *, trainable: bool = False):
        if frequencies is None:
            if trainable:
                raise ValueError("`frequencies` is None; expected some, since `trainable` is True")
            self.trained, self.fixed = None, ()
            return
        try:
            values = jnp.atleast_1d(jnp.asarray(frequencies, jnp.result_type(float)))
        except (TypeError, ValueError) as error:  # of JAX, which names no argument
            raise ValueError(f"`frequencies` cannot be read as numbers: {error}") from error
        values = floating("frequencies", values, ("frequency",))
        if is_concrete(values) and not (values.size and np.all(np.isfinite(values)) and np.all(np.asarray(values))):
            raise ValueError(f"`frequencies` is {frequencies!r}; expected finite numbers different from zero")
        self.trained = values if trainable else None
        self.fixed = () if trainable else tuple(np.asarray(frequencies, float).ravel().tolist())

    @property
    def size(self) -> int:
        """How many features there are."""
        count = len(self.fixed) if self.trained is None else self.trained.shape[0]
        return 2 * count or 1

    @property
    def frequencies(self) -> Float[Array, " frequency"]:
        r"""$\omega_i$, shape `(frequency,)`; empty for a clock of $t$ itself."""
        return jnp.asarray(self.fixed, jnp.result_type(float)) if self.trained is None else self.trained

    def __call__(self, t: ArrayLike, dtype: DTypeLike) -> Float[Array, " feature"]:
        """The features at the time `t`, in the precision `dtype`."""
        t = jnp.asarray(t, dtype)
        if self.trained is None and not self.fixed:
            return t[None]
        phase = t * (jnp.asarray(self.fixed, dtype) if self.trained is None else self.trained)
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)])
