"""Several systems as one that does not couple them: one solve is compiled for all."""

import diffrax
import jax.numpy as jnp
import numpy as np

from neural_lagrangian.integrators import Integration
from neural_lagrangian.systems import AbstractSystem, Drawing


class SideBySide(AbstractSystem):
    systems: tuple[AbstractSystem, ...]
    integration: Integration

    def __init__(self, systems):
        self.systems = tuple(systems)
        self.integration = Integration(diffrax.Dopri8(), max_steps=100_000)

    @property
    def dof(self):
        return sum(system.dof for system in self.systems)

    def split(self, q):
        ends = np.cumsum([system.dof for system in self.systems])
        return [q[..., end - system.dof : end] for system, end in zip(self.systems, ends, strict=True)]

    def each(self, method, t, q, v):
        parts = zip(self.systems, self.split(q), self.split(v), strict=True)
        return [getattr(system, method)(t, qi, vi) for system, qi, vi in parts]

    def lagrangian(self, t, q, v):
        return sum(self.each("lagrangian", t, q, v))

    def force(self, t, q, v):
        return jnp.concatenate(self.each("force", t, q, v))

    def acceleration(self, t, q, v):
        return jnp.concatenate(self.each("acceleration", t, q, v))

    def energy(self, t, q, v):
        return sum(self.each("energy", t, q, v))

    def invariants(self, t, q, v):
        each = enumerate(self.each("invariants", t, q, v))
        return {f"{key}_of_{i}": value for i, conserved in each for key, value in conserved.items()}

    def sample_states(self, key, count):
        halves = [jnp.split(system.sample_states(key, count), 2, axis=1) for system in self.systems]
        return jnp.concatenate([q for q, _ in halves] + [v for _, v in halves], axis=1)

    def drawing(self, q):
        bodies = [s.drawing(qi).bodies for s, qi in zip(self.systems, self.split(q), strict=True)]
        return Drawing(jnp.concatenate(bodies), jnp.zeros((0, 2, 2), q.dtype))
