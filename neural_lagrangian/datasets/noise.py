r"""Measurement noise."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..trajectories import Trajectories


def add_noise(
    trajectories: Trajectories, *, snr_db: Any = None, relative: Any = None, key: PRNGKeyArray
) -> Trajectories:
    r"""Add independent Gaussian noise to every sample of a motion.

    The noise of each channel $c$ (coordinate, velocity or acceleration) has the standard deviation $\sigma_c$. $S_c$ is
    the standard deviation of the signal over all samples of all trajectories. Then

    $$\mathrm{relative} = \sigma_c / S_c, \qquad \mathrm{SNR} = 20 \log_{10} (S_c / \sigma_c) \text{ dB}.$$

    So 40 dB is 1 % and 20 dB is 10 %. A constant channel gets no noise. Times and controls get no noise.

    **Arguments:**

    - `trajectories`: the motion.
    - `snr_db`: signal-to-noise ratio in decibels: one number, or one for each of the `2 dof` columns `[q, v]`.
      Accelerations use the values of the velocities. Infinity means no noise.
    - `relative`: alternative to `snr_db`: ratio of standard deviations, >= 0; one number, or one for each column.
    - `key`: a JAX random key.

    **Raises:** `ValueError` if not exactly one of `snr_db` and `relative` is given, or if its value is invalid.

    **Example:**

    ```python
    >>> import jax, numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 2 * np.pi, 1001)
    >>> motion = nl.Trajectories(t, np.stack([np.cos(t), -np.sin(t)], axis=1))
    >>> noisy = nl.datasets.add_noise(motion, snr_db=40, key=jax.random.key(0))
    >>> round(float((noisy.ys - motion.ys).std() / motion.ys.std()), 2)  # 40 dB is 1 %
    0.01
    ```
    """
    if (snr_db is None) == (relative is None):
        raise ValueError(f"`snr_db` is {snr_db} and `relative` is {relative}; expected exactly one of them")
    columns = trajectories.ys.shape[2]
    ratio = np.asarray(relative, float) if snr_db is None else 10.0 ** (-np.asarray(snr_db, float) / 20)
    if ratio.shape not in ((), (columns,)) or not np.all((ratio >= 0) & np.isfinite(ratio)):
        given = f"`relative` is {relative}" if snr_db is None else f"`snr_db` is {snr_db}"
        raise ValueError(f"{given}; expected a number, or one for each of the {columns} columns [q, v]")
    ratio = np.broadcast_to(ratio, (columns,))
    keys = jax.random.split(key)
    ys = _noisy(trajectories.ys, trajectories.mask, ratio, keys[0])
    a = trajectories.accelerations
    a = None if a is None else _noisy(a, trajectories.mask, ratio[trajectories.dof :], keys[1])
    return replace(trajectories, ys=ys, accelerations=a)


def _noisy(signal: np.ndarray, mask: np.ndarray, ratio: np.ndarray, key: PRNGKeyArray) -> np.ndarray:
    deviation = ratio * signal[mask].std(axis=0, dtype=np.float64)
    noise = np.asarray(jax.random.normal(key, signal.shape))
    return (signal + deviation * noise).astype(signal.dtype)
