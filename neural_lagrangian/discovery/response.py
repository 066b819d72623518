r"""The linear response of the states to errors of acceleration, for regression on noisy states.

Let $y(t)$ be a motion that fits a window of the data. Another formula has the errors of acceleration
$r(c) = M^{-1} (M a + h)$ along this motion. To first order, its own motion deviates by

$$\delta y(t_n) = \Phi(t_n)\, \delta y_0
  - \int_{t_0}^{t_n} \Phi(t_n)\, \Phi(s)^{-1} \begin{pmatrix} 0 \\ r(c) \end{pmatrix} ds,
  \qquad \Phi(t) = \partial y(t) / \partial y(t_0).$$

So the residuals of the states are linear in $r$. They are divided by the noise, and the effect of the initial state is
projected out. Then only the directions with the largest response are kept. The residuals of the right formula are noise
of variance one there. Terms are evaluated along the fitted motion, not at noisy states, so noise causes no bias.
"""

from dataclasses import replace

import equinox as eqx
import numpy as np
from jaxtyping import Float

MAX_INSTANTS = 11
"""Most instants per window at which errors of acceleration are evaluated; they are linear in between."""
MIN_SINGULAR_VALUE = 1e-3
"""Relative singular value below which a direction of the response is dropped."""


class Response(eqx.Module):
    r"""Linear map from errors of acceleration to residuals: residuals = `offset` - `gain` @ errors.

    - `gain`: shape `(window, direction, instant * dof)`. `offset`: shape `(window, direction)`.
    - `rows`: number of independent residuals.
    """

    gain: Float[np.ndarray, "window direction points"]
    offset: Float[np.ndarray, "window direction"]
    rows: int = eqx.field(static=True)

    def residuals(self, r: Float[np.ndarray, "instant dof"]) -> Float[np.ndarray, " row"]:
        return self.offset.reshape(-1) - self.slopes(r[..., None])[:, 0]

    def of_errors(self, sizes: Float[np.ndarray, " dof"]) -> "Response":
        """The response to errors of acceleration in units of `sizes`."""
        return replace(self, gain=self.gain * np.resize(sizes, self.gain.shape[2]))

    def floor(self, errors: Float[np.ndarray, " dof"]) -> float:
        """Expected sum of squares of the residuals for independent errors of acceleration of this size."""
        return float(np.sum(self.gain**2 * np.resize(errors**2, self.gain.shape[2])))

    def slopes(self, J: Float[np.ndarray, "instant dof column"]) -> Float[np.ndarray, "row column"]:
        """Derivatives of the residuals with opposite sign, from derivatives `J` of the errors of acceleration."""
        return (self.gain @ J.reshape(len(self.gain), -1, J.shape[2])).reshape(-1, J.shape[2])


def instants(count: int) -> np.ndarray:
    """Indices of the samples of a window at which errors of acceleration are evaluated."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_INSTANTS)).round().astype(int))


def response_of(
    ts: Float[np.ndarray, "window time"],
    transitions: Float[np.ndarray, "window time two_dof two_dof"],
    deviations: Float[np.ndarray, "window time two_dof"],
    noise: Float[np.ndarray, " two_dof"],
    accelerations: Float[np.ndarray, " dof"],
) -> Response:
    r"""Computes the response of windows.

    **Arguments:**

    - `transitions`: $\Phi$ at the samples. `deviations`: motion minus data.
    - `noise`: standard deviation of each channel; infinite for an unused channel.
    - `accelerations`: typical size of each acceleration, which sets the units of the errors.
    """
    _, count, channels = deviations.shape
    dof, at = channels // 2, instants(count)
    weight = np.where(np.isfinite(noise), 1 / noise, 0.0)
    sizes = np.tile(accelerations, len(at))
    gains, offsets = [], []
    for t, phi, deviation in zip(ts, transitions, deviations, strict=True):
        hats = np.stack([np.interp(t, t[at], unit) for unit in np.eye(len(at))], axis=1)
        whole = _kernel(t, phi) @ np.kron(hats, np.eye(dof))
        scale = np.tile(weight, count)
        start = np.linalg.qr(phi.reshape(-1, channels) * scale[:, None])[0]
        K, d = whole * scale[:, None], deviation.reshape(-1) * scale
        K, d = (x - start @ (start.T @ x) for x in (K, d))
        U, s, V = np.linalg.svd(K * sizes, full_matrices=False)
        s = np.where(s > MIN_SINGULAR_VALUE * s[0], s, 0.0)
        gains.append(s[:, None] * V / sizes)
        offsets.append(np.where(s > 0, U.T @ d, 0.0))
    kept = np.any(np.stack(gains) != 0, axis=2)
    most = max(1, int(kept.sum(axis=1).max()))  # further directions are zero in all windows
    return Response(np.stack(gains)[:, :most], np.stack(offsets)[:, :most], int(kept.sum()))


def _kernel(t: Float[np.ndarray, " time"], phi: Float[np.ndarray, "time two_dof two_dof"]) -> np.ndarray:
    """Effect of errors of acceleration on the states, `(time * 2 dof, time * dof)`, by the trapezoidal rule."""
    count, channels, _ = phi.shape
    steps = np.diff(t)
    share = np.zeros((count, count))
    for n in range(1, count):
        share[n, :n] += steps[:n] / 2
        share[n, 1 : n + 1] += steps[:n] / 2
    pulses = np.linalg.inv(phi)[:, :, channels // 2 :]
    return np.einsum("nm,nij,mjk->nimk", share, phi, pulses).reshape(count * channels, -1)


def free_motion(ts: Float[np.ndarray, "window time"], dof: int) -> Float[np.ndarray, "window time two_dof two_dof"]:
    """State transition matrices of motion without forces."""
    shear = np.kron(np.array([[0.0, 1.0], [0.0, 0.0]]), np.eye(dof))
    return np.eye(2 * dof) + (ts - ts[:, :1])[:, :, None, None] * shear
