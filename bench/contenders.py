"""What is compared: Lagrangian networks, neural ODEs of equal size, and the published formula as it is written."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

import neural_lagrangian as nl


def network(dof: int, width: int, outputs="scalar") -> eqx.nn.MLP:
    """A softplus network of two hidden layers, as the sources use."""
    return eqx.nn.MLP(2 * dof, outputs, width, 2, activation=jax.nn.softplus, key=jax.random.key(1))


def lagrangian_network(dof: int, width: int, **keywords) -> nl.NeuralLagrangian:
    keywords.setdefault("stepsize_controller", nl.StepsPerSample(1))
    return nl.NeuralLagrangian(network(dof, width), diffrax.Tsit5(), **keywords)


def neural_ode(dof: int, width: int) -> nl.NeuralODE:
    return nl.NeuralODE(network(dof, width, 2 * dof), diffrax.Tsit5(), stepsize_controller=nl.StepsPerSample(1))


class PublishedFormula(eqx.Module):
    """Cranmer et al. (2020), eq. 6, in the words of the paper: nested derivatives of every block, and `pinv`.

    The rollout is a diffrax solve, with steps at the samples unless a `controller` chooses them, to be `vmap`ped. The
    same Lagrangian as `lagrangian_network`, kinetic prior included.
    """

    network: eqx.nn.MLP
    controller: diffrax.AbstractStepSizeController | None = None
    dt0: float | None = None
    max_steps: int | None = eqx.field(static=True, default=None)

    def lagrangian(self, q, v):
        return self.network(jnp.concatenate([q, v])) + 0.5 * jnp.dot(v, v)

    def vector_field(self, t, y, args=None):
        q, v = jnp.split(y, 2)
        M = jax.hessian(self.lagrangian, 1)(q, v)
        mixed = jax.jacfwd(jax.grad(self.lagrangian, 1), 0)(q, v)
        return jnp.concatenate([v, jnp.linalg.pinv(M) @ (jax.grad(self.lagrangian, 0)(q, v) - mixed @ v)])

    def __call__(self, ts, y0):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(self.vector_field),
            diffrax.Tsit5(),
            ts[0],
            ts[-1],
            self.dt0,
            y0,
            saveat=diffrax.SaveAt(ts=ts),
            stepsize_controller=diffrax.StepTo(ts) if self.controller is None else self.controller,
            max_steps=len(ts) - 1 if self.max_steps is None else self.max_steps,
        ).ys


def states(dof: int, count: int):
    return 0.5 * jax.random.normal(jax.random.key(2), (count, 2 * dof))


def rollout_targets(dof: int, batch: int, steps: int):
    """Times of a second in equal steps, and rollouts that stay where they begin: something to take a loss against."""
    ts = jnp.linspace(0.0, 1.0, steps + 1)
    return ts, jnp.broadcast_to(states(dof, batch)[:, None], (batch, steps + 1, 2 * dof))


def parameter_count(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)))


def right_hand_side(model):
    """`(fn, params)`: the vector field at a batch of states, as a function of the network's parameters."""
    params, rebuilt = _by_parameters(model)
    return lambda params, ys: jax.vmap(lambda y: rebuilt(params).vector_field(0.0, y))(ys), params


def rollout_loss(model, ts, ys):
    """`(loss, params)`: mean square error of the batch of rollouts from `ys[:, 0]`."""
    params, rebuilt = _by_parameters(model)

    def loss(params):
        return jnp.mean((jax.vmap(rebuilt(params), (None, 0))(ts, ys[:, 0]) - ys) ** 2)

    return loss, params


def _by_parameters(model):
    params, static = eqx.partition(model.network, eqx.is_inexact_array)
    return params, lambda params: eqx.tree_at(lambda m: m.network, model, eqx.combine(params, static))
