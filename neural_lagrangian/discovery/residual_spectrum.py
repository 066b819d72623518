r"""The spectrum of the residuals of a formula, which shows noise that was smoothed.

Smoothed noise keeps its low frequencies and loses its high ones. So its samples are not independent. The residuals of
windows are therefore transformed to cosines. The mean square $P_k$ of each cosine over the windows is the variance of
the noise at this frequency:

$$\hat r_k = \sqrt{\frac{2}{N}} \sum_n r_n \cos \frac{\pi k (n + 1/2)}{N}, \qquad P_k = \langle \hat r_k^2 \rangle$$

for windows of N samples. The residuals of a wrong formula are slow, and show in the first cosines only.
"""

import numpy as np
from jaxtyping import Float
from scipy.fft import dct

COSINES_OF_INITIAL_STATE = 2
"""Number of cosines absorbed by the two fitted initial values of a coordinate."""
SLOW_COSINES = (COSINES_OF_INITIAL_STATE, 6)
"""Range of cosines in which a wrong formula shows."""
COSINES_AVERAGED = 4
"""Number of neighbouring cosines over which the spectrum is averaged."""
MIN_SPECTRUM_SAMPLES = 18
"""Least samples of a window for a meaningful spectrum."""
MAX_SLOW_RATIO, MAX_FAST_RATIO = 3.0, 0.25
"""Largest power of smoothed noise in the slow cosines, and in the fastest third, relative to the cosines next to the
slow ones. A wrong formula exceeds the first limit, white noise the second.
"""
MAX_NOISE_ESTIMATES, NOISE_TOLERANCE = 4, 0.1
"""Most repeated estimates of the noise, and the relative change at which the estimate has converged."""


def lag_one(
    residuals: Float[np.ndarray, "window time channel"],
) -> tuple[Float[np.ndarray, " channel"], Float[np.ndarray, " channel"]]:
    """Sums of products of neighbouring residuals and of their squares: their ratio is the autocorrelation."""
    return np.sum(residuals[:, 1:] * residuals[:, :-1], axis=(0, 1)), np.sum(residuals**2, axis=(0, 1))


def cosines(residuals: Float[np.ndarray, "window time column"]) -> Float[np.ndarray, "window cosine column"]:
    r"""The cosine transform $\hat r_k$ of each window."""
    return np.asarray(dct(residuals, axis=1, norm="ortho"))


def spectrum(residuals: Float[np.ndarray, "window time channel"]) -> Float[np.ndarray, "cosine channel"]:
    """The noise spectrum $P_k$; its slow cosines, which the fit absorbs in part, are replaced by the next ones."""
    P = np.mean(cosines(residuals) ** 2, axis=0)
    P[: SLOW_COSINES[1]] = np.mean(P[SLOW_COSINES[0] : SLOW_COSINES[1] + COSINES_AVERAGED], axis=0)
    return P


def level(residuals: Float[np.ndarray, "window time channel"]) -> Float[np.ndarray, " channel"]:
    """Standard deviation of the noise before smoothing, from the cosines next to the slow ones.

    A wrong formula hardly affects these cosines.
    """
    P = np.mean(cosines(residuals) ** 2, axis=0)
    return np.sqrt(np.mean(P[SLOW_COSINES[1] : SLOW_COSINES[1] + COSINES_AVERAGED], axis=0))


def is_smoothed_noise(residuals: Float[np.ndarray, "window time channel"]) -> bool:
    """Whether the residuals are smoothed noise: equal power in slow and next cosines, little in fast ones."""
    P = np.mean(cosines(residuals) ** 2, axis=0)
    slow, fast = np.mean(P[slice(*SLOW_COSINES)], axis=0), np.mean(P[-(len(P) // 3) :], axis=0)
    next_ones = np.mean(P[SLOW_COSINES[1] : SLOW_COSINES[1] + COSINES_AVERAGED], axis=0)
    return bool((slow < MAX_SLOW_RATIO * next_ones).all() and (fast < MAX_FAST_RATIO * next_ones).all())
