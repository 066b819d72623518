r"""The noise of recorded states by what a formula leaves of them, at each frequency.

Of noise that was smoothed, low frequencies are left as they were, and high ones are gone. Samples of it do not count
one by one. So residuals of windows are taken apart into cosines: the mean square of each, $P_k$, is the noise that
changes of coefficients and initial states, which act slowly, have to be told from.

$$\hat r_k = \sqrt{\frac{2}{N}} \sum_n r_n \cos \frac{\pi k (n + 1/2)}{N}, \qquad P_k = \langle \hat r_k^2 \rangle$$

over windows of N samples. Where a formula is wrong, what it leaves is slow, and is seen in the first cosines alone.
"""

import numpy as np
from jaxtyping import Float
from scipy.fft import dct

ABSORBED = 2
"""Cosines that the two initial values of a coordinate fit."""
SLOW = (ABSORBED, 6)
"""Cosines in which a wrong formula shows."""
BROAD = 4
"""Cosines over which the spectrum is averaged, where one of them is looked at."""
FEWEST_SAMPLES = 18
"""Samples of a window that show a spectrum."""
FLAT, GONE = 3.0, 0.25
"""How much more may be in the slow cosines than in those that follow; of these, what is left in the fastest third if
noise was smoothed.
"""
LOOKS, SETTLED = 4, 0.1
"""Most fits after which noise is looked at again, and relative change of it after which it is not."""


def cosines(residuals: Float[np.ndarray, "window time column"]) -> Float[np.ndarray, "window cosine column"]:
    r"""$\hat r_k$ of each window."""
    return np.asarray(dct(residuals, axis=1, norm="ortho"))


def spectrum(residuals: Float[np.ndarray, "window time channel"]) -> Float[np.ndarray, "cosine channel"]:
    """$P_k$ of noise, its first cosines, which initial values have taken, as those that follow."""
    P = np.mean(cosines(residuals) ** 2, axis=0)
    P[: SLOW[1]] = np.mean(P[SLOW[0] : SLOW[1] + BROAD], axis=0)
    return P


def level(residuals: Float[np.ndarray, "window time channel"]) -> Float[np.ndarray, " channel"]:
    """Standard deviation of the noise before it was smoothed, by the cosines that follow the slow ones: a wrong
    formula leaves little there.
    """
    P = np.mean(cosines(residuals) ** 2, axis=0)
    return np.sqrt(np.mean(P[SLOW[1] : SLOW[1] + BROAD], axis=0))


def is_smoothed_noise(residuals: Float[np.ndarray, "window time channel"]) -> bool:
    """Whether the residuals are noise alone: as much in slow cosines as in the next ones, and little in fast ones."""
    P = np.mean(cosines(residuals) ** 2, axis=0)
    slow, fast = np.mean(P[slice(*SLOW)], axis=0), np.mean(P[-(len(P) // 3) :], axis=0)
    next_ones = np.mean(P[SLOW[1] : SLOW[1] + BROAD], axis=0)
    return bool((slow < FLAT * next_ones).all() and (fast < GONE * next_ones).all())
