# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A relativistic particle: no canonical momenta needed
#
# A particle falls along a line at up to nearly the speed of light. Its canonical momentum is $m \gamma \dot q$, but
# positions and velocities are recorded. Cranmer et al. (2020) used this example to compare Hamiltonian and Lagrangian
# networks.
#
# - A Hamiltonian network that takes velocities for momenta cannot learn this motion, whatever its size: $\dot q =
#   \partial H / \partial p = p$ implies $H = p^2 / 2 + V(q)$, a force that does not depend on the velocity.
# - With the true momenta a Hamiltonian network learns it well.
# - A Lagrangian network needs the recorded motion only.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sizes import OUTPUT, size_of_run

import neural_lagrangian as nl
from neural_lagrangian import analysis

jax.config.update("jax_enable_x64", True)

SIZE = size_of_run("smoke", "quick")
WIDTH, STEPS = {"smoke": (8, 5), "quick": (64, 600), "standard": (64, 3000)}[SIZE]
KEY = jax.random.key(0)

# %% [markdown]
# ## Data
#
# $m = c = F = 1$. The data are 100 motions of 2 s, with initial velocities below 0.9 of that of light.

# %%
system = nl.systems.RelativisticParticle()
times = jnp.linspace(0.0, 2.0, 41)
train = nl.simulate(system, times, system.sample_states(jax.random.key(1), 100))
test_times = jnp.linspace(0.0, 2.0, 201)
test = jnp.asarray(nl.simulate(system, test_times, system.sample_states(jax.random.key(2), 40)).ys)
print(train)

# %% [markdown]
# ## Models
#
# All models have the same network. The second Hamiltonian network gets the canonical momentum.


# %%
def network():
    return eqx.nn.MLP(2, "scalar", WIDTH, 2, activation=jax.nn.silu, key=KEY, dtype=jnp.float32)


def canonical_momentum(t, q, v):
    return v / jnp.sqrt(1 - v**2)


MODELS = {
    "Lagrangian network": nl.NeuralLagrangian(network()),
    "Hamiltonian, p = velocity": nl.HamiltonianNetwork(network()),
    "Hamiltonian, p = canonical": nl.HamiltonianNetwork(network(), momentum=canonical_momentum),
}
if SIZE != "standard":
    MODELS.pop("Hamiltonian, p = canonical")
trained, rolled, errors = {}, {}, {}
for name, model in MODELS.items():
    result = nl.fit(model, train, steps=STEPS, horizon=4, batch_size=64, key=KEY)
    trained[name] = nl.models.with_precision(result.model, jnp.float64)
    rolled[name] = analysis.rollouts(trained[name], test_times, test[:, 0])
    errors[name] = jnp.abs(rolled[name] - test)[..., 1].max(axis=1)
    seconds, loss = result.history.seconds[-1], np.nanmean(result.history.loss[-50:])
    print(f"{name:28s} {seconds:5.1f} s, loss {loss:.1e}, velocity error {analysis.summarize(errors[name])} c")

# %% [markdown]
# ## What was learned
#
# The acceleration falls as $(1 - \dot q^2)^{3/2}$. In one dimension many Lagrangians have the same motion, beyond
# scale and gauge. So the comparison uses the acceleration, not the mass.

# %%
speeds = jnp.linspace(-0.97, 0.97, 195)
acceleration = {
    name: jax.jit(jax.vmap(lambda v, model=model: model.vector_field(0.0, jnp.stack([0.0, v]))[1]))(speeds)
    for name, model in trained.items()
}
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
axes[0].plot(speeds, (1 - speeds**2) ** 1.5, color="0.75", linewidth=5, label="truth")
for name, a in acceleration.items():
    axes[0].plot(speeds, a, label=name)
axes[0].set(xlabel="velocity / c", ylabel="acceleration at q = 0")
axes[0].legend(fontsize=8)
late = int(jnp.argmax(jnp.abs(test[:, -1, 1])))
predicted = {name: ys[late] for name, ys in rolled.items()}
analysis.plot_trajectories(test_times, test[late], predicted, coordinate=1, label="velocity / c", ax=axes[1])
axes[1].set_title("the fastest of the test motions")
figure.savefig(OUTPUT / "relativistic_particle.png", dpi=110)

# %%
median = {name: float(jnp.median(e)) for name, e in errors.items()}
figures = {f"largest velocity error in 2 s, {name} [c]": error for name, error in median.items()}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE == "standard":
    assert median["Lagrangian network"] < 2e-3
    assert median["Hamiltonian, p = canonical"] < 2e-3
    assert median["Hamiltonian, p = velocity"] > 0.03
