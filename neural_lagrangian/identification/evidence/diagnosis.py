"""What the best candidate does not explain: the missing force at each joint, and what it depends on."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..candidates import Trial
from ..families import TEST_DURATION, FamilyFit, weak_rows

WEIGHT = TEST_DURATION * 16 / 35
"""Integral of the weight of a window, by which the integrated force is divided."""
MIN_EXPLAINED = 0.1
"""Smallest share of the missing force that a pattern must explain."""
MIN_F_RATIO = 12.0
"""F-ratio above which a pattern is no accident, with one constant."""
NO_PATTERN = "The missing force shows no pattern in position, velocity, direction or energy."
"""Sentence on a force that is not missing."""
PATTERNS = {
    "position": "it depends on the position: is a spring, a weight or an offset missing?",
    "velocity": "it follows the velocity: is linear friction missing or too large?",
    "direction": "it follows the direction of the motion: is dry friction missing or too large?",
    "speed squared": "it grows with the square of the speed: is drag missing or too large?",
    "energy": "its size grows with the energy: the model is worse in large motions.",
}
"""Sentences on the missing force, by what it depends on."""


class Diagnosis(NamedTuple):
    """The missing force in natural units, at times of the training set.

    `force`, `position`, `velocity`: shape `(sample, dof)`. `energy`: of the motion, shape `(sample,)`. `correlation`:
    autocorrelation of the missing force from one sample to the next. `sentences`: what it depends on.
    """

    names: tuple[str, ...]
    force: Float[np.ndarray, "sample dof"]
    position: Float[np.ndarray, "sample dof"]
    velocity: Float[np.ndarray, "sample dof"]
    energy: Float[np.ndarray, " sample"]
    correlation: float
    sentences: tuple[str, ...]


def diagnosed(fit: FamilyFit, trial: Trial, *, only_noise: bool = False) -> Diagnosis:
    """Integrate the equations of motion of the best candidate over short windows, and look for patterns in the rest.

    If rollouts leave nothing but noise, `only_noise` is true: what is there is the bias of the smoothed motion.
    """
    family, dtype = fit.family.shared, jnp.result_type(float)
    body = family.body(jnp.asarray(fit.x, dtype))
    R = jnp.asarray(family.joints, dtype)

    @jax.jit
    def at(q: Array, v: Array, u: Array) -> tuple[Array, Array, Array]:
        def one(q: Array, v: Array, u: Array) -> tuple[Array, Array, Array]:
            p, f = (jax.grad(body.lagrangian, k)(0.0, q, v) for k in (2, 1))
            return p, f + body.forces(R @ v, u) @ R, p @ v - body.lagrangian(0.0, q, v)

        return jax.vmap(one)(q, v, u)

    forces, centres, correlated = [], [], np.zeros(2)
    for t, q, v, u in trial.pieces(np.asarray(family.matrix, np.float64)):
        p, f, energy = (np.asarray(part, np.float64) for part in at(*(jnp.asarray(x, dtype) for x in (q, v, u))))
        rows = weak_rows([(t, p[..., None], f[..., None])], 1).reshape(-1, q.shape[1]) / WEIGHT
        step = max(1, round(TEST_DURATION / 2 / float(np.median(np.diff(t)))))
        middle = np.minimum(step * np.arange(1, len(rows) + 1), len(t) - 1)
        forces.append(rows)
        centres.append((q[middle], v[middle], energy[middle]))
        correlated += np.sum(rows[2:] * rows[:-2]), np.sum(rows**2)  # every other window shares no sample
    force = np.concatenate(forces)
    position, velocity, energy = (np.concatenate(part) for part in zip(*centres, strict=True))
    names = tuple(family.joint_names)
    sentences = (NO_PATTERN,) if only_noise else _sentences(names, force, position, velocity, energy)
    ratio = float(correlated[0] / max(correlated[1], 1e-300))
    return Diagnosis(names, force, position, velocity, energy, ratio, sentences)


def _sentences(
    names: tuple[str, ...], force: np.ndarray, position: np.ndarray, velocity: np.ndarray, energy: np.ndarray
) -> tuple[str, ...]:
    found = []
    for i, name in enumerate(names):
        q, v, f = position[:, i], velocity[:, i], force[:, i]
        patterns = {
            "position": (f, np.stack([np.sin(q), np.cos(q), q], axis=1)),
            "velocity": (f, v[:, None]),
            "direction": (f, np.sign(v)[:, None]),
            "speed squared": (f, (v * np.abs(v))[:, None]),
            "energy": (np.abs(f), energy[:, None]),
        }
        explained = {kind: _explained(*pattern) for kind, pattern in patterns.items()}
        kind = max(explained, key=lambda kind: explained[kind])
        if explained[kind] > MIN_EXPLAINED:
            found.append(f"The missing force at {name}: {PATTERNS[kind]} ({explained[kind]:.0%} of its variance)")
    return tuple(found) or (NO_PATTERN,)


def _explained(f: np.ndarray, columns: np.ndarray) -> float:
    """Share of the variance of `f` that a linear function of the columns explains; zero if it may be an accident."""
    X, y = columns - columns.mean(axis=0), f - f.mean()
    total, k = float(y @ y), columns.shape[1]
    if not total > 0 or len(y) < 4 * k + 4:
        return 0.0
    X = X / np.maximum(np.linalg.norm(X, axis=0), 1e-300)
    left = y - X @ np.linalg.lstsq(X, y, rcond=1e-8)[0]
    rest = float(left @ left)
    f_ratio = (total - rest) / k / max(rest / (len(y) - k - 1), 1e-300)
    return (total - rest) / total if f_ratio > MIN_F_RATIO else 0.0
