"""No answer depends on units: changes of units, a small problem in any of them, and the law for registries of cases."""

import functools
import inspect
import re

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neural_lagrangian.networks import Frozen, unfrozen

from .helpers import DOUBLE, DTYPE, slow

ULTRAFAST = -13.0
"""Power of ten of a unit of time in which steps of a tenth are 1e-14: their cubes underflow in single precision."""


class Units:
    r"""A change of units: $q_i \to s_i q_i$, $t \to \tau (t + t_0)$, $L \to \alpha L$, and problems in the new ones.

    Scales are arrays, which may be traced: one compiled program serves all units.
    """

    def __init__(self, s, tau, alpha, clock=0.0):
        self.s, self.tau, self.alpha, self.clock = s, tau, alpha, clock

    def first(self, dof):
        """These units, of the first coordinates alone."""
        return Units(self.s[:dof], self.tau, self.alpha, self.clock)

    def lagrangian(self, L):
        return Converted(L, *self._scales, {})

    def force(self, Q):
        return ConvertedForce(self.lagrangian(Q))

    def formula(self, L, **units):
        """A formula with coefficients, each of them in its own unit."""
        return Converted(L, *self._scales, {name: Frozen(jnp.asarray(unit)) for name, unit in units.items()})

    def of_springs(self):
        """The units of the coefficients of `springs`."""
        (a, b), energy = self.s, self.alpha
        return {"m": energy * self.tau**2 / b**2, "k": energy / a**2, "c": energy / (a * b)}

    def state(self, y):
        return y * self.of_state(y)

    def natural(self, ys):
        return ys / self.of_state(ys)

    def times(self, ts):
        return (ts + self.clock) * self.tau

    def of_state(self, ys):
        """The unit of each component of states, in the last axis."""
        together = np.concatenate if isinstance(self.s, np.ndarray) else jnp.concatenate
        scale = together([self.s, self.s / self.tau])
        return scale.reshape((1,) * (ys.ndim - 1) + scale.shape)

    @property
    def force_unit(self):
        return self.alpha / self.s

    @property
    def acceleration_unit(self):
        return self.s / self.tau**2

    @property
    def _scales(self):
        numbers = (self.s, self.tau, self.alpha, self.clock)
        return [Frozen(jnp.asarray(x, jnp.asarray(self.s).dtype)) for x in numbers]


class Converted(eqx.Module):
    r"""$\alpha L(t / \tau - t_0, q / s, v \tau / s)$, with coefficients over their units. Nothing in it is trained."""

    lagrangian: object
    s: object
    tau: object
    alpha: object
    clock: object
    units: object

    def __call__(self, t, q, v, **coefficients):
        s, tau, alpha, clock, units = unfrozen((self.s, self.tau, self.alpha, self.clock, self.units))
        natural = {name: c / units[name] for name, c in coefficients.items()}
        return alpha * self.lagrangian(t / tau - clock, q / s, v * (tau / s), **natural)


class ConvertedForce(eqx.Module):
    converted: Converted

    def __call__(self, t, q, v):
        return self.converted(t, q, v) / unfrozen(self.converted.s)


def changes(dof, dtype):
    """Powers of ten between 1e-9 and 1e9 for each coordinate, time and L, as far as masses and their derivatives can be
    represented."""
    rng = np.random.default_rng(dof)
    limit = 34 if dtype == jnp.float32 else 300
    drawn = [(np.zeros(dof), 0.0, 0.0)]
    drawn += [(np.full(dof, -9.0), 0.0, 0.0), (np.zeros(dof), 9.0, 0.0), (np.zeros(dof), -9.0, -9.0)]
    drawn += [(np.resize([9.0, -9.0], dof), 0.0, 9.0), (np.zeros(dof), ULTRAFAST, 0.0)]
    while len(drawn) < 40:
        s, tau, alpha = rng.integers(-9, 10, dof), rng.integers(-9, 10), rng.integers(-9, 10)
        masses = alpha + 2 * tau - s[:, None] - s[None]
        slopes = masses[..., None] - s
        if max(np.abs(masses).max(), np.abs(slopes).max()) < limit:
            drawn.append((s, tau, alpha))
    return [tuple(jnp.asarray(10.0 ** np.asarray(x, float), dtype) for x in change) for change in drawn]


def coupled(dof):
    """Coupled, anharmonic, with gyroscopic terms and explicit time; mass matrix positive definite, tridiagonal."""

    def L(t, q, v):
        neighbours = q[1:] - q[:-1]
        kinetic = 0.5 * jnp.sum((1 + 0.2 * jnp.cos(q)) * v**2) + 0.3 * jnp.sum(v[1:] * v[:-1])
        gyroscopic = 0.2 * jnp.sum(q[1:] * v[:-1])
        potential = jnp.sum(1 - jnp.cos(q)) * (1 + 0.1 * jnp.sin(t)) + 0.5 * jnp.sum(neighbours**2)
        return kinetic + gyroscopic - potential

    return L


def springs(t, q, v, *, m, k, c):
    """A formula with coefficients of three units, for `Units.of_springs`."""
    kinetic = 0.5 * v[0] ** 2 + 0.5 * m * v[1] ** 2
    return kinetic - 0.5 * k * q[0] ** 2 - 1.5 * q[1] ** 2 - c * q[0] * q[1] - 0.1 * q[1] ** 4


def friction(t, q, v):
    return -0.1 * v - 0.05 * jnp.tanh(v)


LARGEST = 9 if DOUBLE else 3
"""Data change by powers of ten up to this, and down: squares of what is made of them hold in the precision."""


CLOCK = 2.0**20 if DOUBLE else 2.0**4
"""Time at which a motion begins, in natural units."""


def _units(s, tau=0.0, alpha=0.0, clock=0.0):
    """Of two coordinates, by powers of the largest change, as numbers of NumPy."""
    s, tau, alpha = (10.0 ** (LARGEST * np.asarray(power, float)) for power in (s, tau, alpha))
    return Units(s.astype(DTYPE), float(tau), float(alpha), clock)


def _drawn(seed):
    first, second, tau, alpha = np.random.default_rng(seed).integers(-LARGEST, LARGEST + 1, 4) / LARGEST
    return _units((first, second), tau, alpha)


NATURAL = _units((0, 0))
CHANGES = {
    "all": _units((2 / 3, -1), 1, -2 / 3, CLOCK),
    "clock": _units((0, 0), clock=CLOCK),
    "one coordinate of two": _units((-1, 1)),
    "years": _units((0, 0), -1),
    "nanoseconds": _units((0, 0), 1),
    "heavy": _units((0, 0), alpha=1),
    "light": _units((0, 0), alpha=-1),
} | {f"drawn {seed}": _drawn(seed) for seed in range(6)}


def every(registry, long=()):
    """Pairs of a case and a change of units. All units at once are tried always, but not of `long` cases."""
    pairs = [(case, change) for case in registry for change in CHANGES]
    return [(case, change) if change == "all" and case not in long else slow(case, change) for case, change in pairs]


def check(answer, change, *, rtol=1e-6 if DOUBLE else 2e-3):
    """An answer, arrays by name as numbers without units, is the same after a change of units."""
    here, there = _natural(answer), answer(CHANGES[change])
    assert set(there) == set(here)
    for name, value in here.items():
        value = np.asarray(value)
        if value.dtype.kind not in "fc":
            np.testing.assert_array_equal(there[name], value, err_msg=name)
            continue
        finite = value[np.isfinite(value)]
        size = np.abs(finite).max() if finite.size else 0.0
        assert size > 0, f"{name} says nothing"
        np.testing.assert_allclose(there[name], value, rtol=rtol, atol=rtol * size, err_msg=name)


@functools.cache
def _natural(answer):
    return answer(NATURAL)


def unregistered(namespace, registry, exempt):
    """Public functions of a namespace that no case of a registry names and that are not exempt with a reason.

    Names that are exempt although a case has them, or that are no functions, count too.
    """
    functions = {name for name in namespace.__all__ if inspect.isfunction(getattr(namespace, name))}
    named = {name for name in functions if any(name in re.findall(r"\w+", case) for case in registry)}
    assert all(len(reason.split()) > 3 for reason in exempt.values())
    return (functions - named) ^ exempt.keys()
