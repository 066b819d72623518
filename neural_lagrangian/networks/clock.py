"""Time features: how time enters a network."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from .._checks import floating, is_concrete


class Clock(eqx.Module):
    r"""Time features in front of the state: $(\cos \omega_i t, \sin \omega_i t)$ for each frequency, or $t$ itself.

    With frequencies, the network has exactly the period of the drive, at all times. With $t$ itself, the network is
    reliable only for the times in its training data.

    **Arguments:**

    - `frequencies`: $\omega_i$ in radians per unit of time; a number or a sequence. `None` means $t$ itself.
    - `trainable`: whether the frequencies are trained. Their gradient grows with time, and the loss has many local
      minima. Start within about $\pi / T$ of the true frequency, T the length of the data, or take it from a spectrum.

    **Raises:** `ValueError` if a frequency is zero or not finite.

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
                raise ValueError(
                    "`frequencies` is None; expected initial frequencies, since `trainable` is True. Give them, or set "
                    "`trainable=False`"
                )
            self.trained, self.fixed = None, ()
            return
        try:
            values = jnp.atleast_1d(jnp.asarray(frequencies, jnp.result_type(float)))
        except (TypeError, ValueError) as error:  # from JAX, whose message does not name the argument
            raise ValueError(
                f"`frequencies` cannot be read as numbers: {error}; expected one number or a sequence of numbers"
            ) from error
        values = floating("frequencies", values, ("frequency",))
        if is_concrete(values) and not (values.size and np.all(np.isfinite(values)) and np.all(np.asarray(values))):
            raise ValueError(f"`frequencies` is {frequencies!r}; expected finite numbers different from zero")
        self.trained = values if trainable else None
        self.fixed = () if trainable else tuple(np.asarray(frequencies, float).ravel().tolist())

    @property
    def size(self) -> int:
        """The number of features: twice the number of frequencies, or 1."""
        count = len(self.fixed) if self.trained is None else self.trained.shape[0]
        return 2 * count or 1

    @property
    def frequencies(self) -> Float[Array, " frequency"]:
        r"""The frequencies $\omega_i$, shape `(frequency,)`; empty if the feature is $t$ itself."""
        return jnp.asarray(self.fixed, jnp.result_type(float)) if self.trained is None else self.trained

    def __call__(self, t: ArrayLike, dtype: DTypeLike) -> Float[Array, " feature"]:
        """The features at time `t`, in the precision `dtype`."""
        t = jnp.asarray(t, dtype)
        if self.trained is None and not self.fixed:
            return t[None]
        phase = t * (jnp.asarray(self.fixed, dtype) if self.trained is None else self.trained)
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)])
