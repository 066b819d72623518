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
# # A field: the wave equation from a learned density
#
# A string of 20 sites on a ring is recorded. The Lagrangian is a sum over the lattice of one unknown density
# $\mathcal{L}(\phi, \phi_t, \phi_x)$, a small network (Cranmer et al. 2020, the 1-D wave equation on a graph). One
# density serves every site, so a model trained on 20 sites also predicts 40. The mass matrix is known to be diagonal,
# so the cost of an acceleration is linear in the number of sites.

# %%
import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, size_of_run

import neural_lagrangian as nl
from neural_lagrangian import analysis

SIZE = size_of_run("smoke", "quick")
SPACING, SITES = 0.5, 20

# %% [markdown]
# ## The motion
#
# Each motion has two pulses at random places, with different heights and velocities, for 4 s. A wave needs 10 s
# around the ring of 20 sites.


# %%
def pulses(key, count, sites):
    places, heights = jax.random.split(key)
    length = sites * SPACING
    centre = jax.random.uniform(places, (count, 2, 1), maxval=length)
    away = (SPACING * jnp.arange(0.0, sites) - centre + length / 2) % length - length / 2
    shape = jnp.exp(-(away**2) / 2)
    return jnp.einsum("abs,acb->acs", shape, jax.random.normal(heights, (count, 2, 2)) / 2).reshape(count, 2 * sites)


def string(sites):
    return nl.systems.WaveEquation(spacing=SPACING, sites=sites)


train = nl.simulate(string(SITES), np.linspace(0, 4, 41), pulses(jax.random.key(0), 64, SITES))
print(f"train {train}")

# %% [markdown]
# ## Learn the density

# %%
mlp = eqx.nn.MLP(3, "scalar", 32, 2, activation=jax.nn.silu, key=jax.random.key(1))
lattice = nl.lagrangians.LatticeLagrangian(mlp, SPACING)
steps_per_sample = nl.StepsPerSample(1)
model = nl.NeuralLagrangian(lattice, nl.integrators.RK4(), kinetic_prior=SPACING, stepsize_controller=steps_per_sample)
STAGES = {
    "horizon": (2, 10),
    "steps": {"smoke": (3, 3), "quick": (100, 40), "standard": (3000, 1000)}[SIZE],
    "batch_size": 32,
}
optimizers = [
    optax.contrib.muon(optax.cosine_decay_schedule(rate, steps))
    for rate, steps in zip((1e-2, 2e-3), STAGES["steps"], strict=True)
]
result = nl.fit(model, train, optimizer=optimizers, key=jax.random.key(2), **STAGES)
learned = result.model.network
print(f"{result.history.seconds[-1]:.0f} s, loss {result.history.loss[-50:].mean():.1e}")

# %% [markdown]
# ## New pulses, and a string twice as long
#
# The test lasts 20 s, five times as long as the training motions. Errors are relative to the root mean square
# displacement. The energy is the true energy along the learned motion, relative to its initial value.

# %%
ts = jnp.linspace(0.0, 20.0, 201)
rollout = nl.NeuralLagrangian(learned, diffrax.Tsit5(), kinetic_prior=SPACING, max_steps=10_000)
errors, drifts, motions = {}, {}, {}
for sites in (SITES, 2 * SITES):
    system = string(sites)
    starts = pulses(jax.random.key(3), 10, sites)
    truth, predicted = (analysis.rollouts(m, ts, starts) for m in (system, rollout))
    difference = (predicted - truth)[..., :sites]
    scale = jnp.sqrt(jnp.mean(truth[..., :sites] ** 2, axis=(1, 2)))
    errors[sites] = jnp.sqrt(jnp.mean(difference**2, axis=2)) / scale[:, None]
    energies = jax.vmap(jax.vmap(lambda t, y, system=system: system.energy(t, *jnp.split(y, 2)), (0, 0)), (None, 0))
    along = energies(ts, predicted)
    drifts[sites] = jnp.max(jnp.abs(along / along[:, :1] - 1), axis=1)
    motions[sites] = truth[0, :, :sites], predicted[0, :, :sites]
    print(f"{sites} sites: displacement error after 20 s {analysis.summarize(errors[sites][:, -1])}")
    print(f"          largest energy error {analysis.summarize(drifts[sites])}")

# %% [markdown]
# ## What was learned
#
# Motion determines only the ratio of the density's curvatures. This is the squared speed of waves, 1 in this example,
# for slopes as in the data.


# %%
def density(x):
    return learned.density(x) + x[1] ** 2 / 2


states = jnp.asarray(train.ys).reshape(-1, 2, SITES)[::50]
seen = jnp.stack([states[:, 0], states[:, 1], jnp.roll(states[:, 0], -1, axis=1) - states[:, 0]], axis=-1).reshape(
    -1, 3
)
curvature = jax.vmap(jax.hessian(density))(seen * jnp.asarray([[1.0, 1.0, 1 / SPACING]]))
off = jnp.abs(-curvature[:, 2, 2] / curvature[:, 1, 1] - 1)
print(f"error of the squared speed of waves at the states seen: {analysis.summarize(off)}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
truth, predicted = motions[2 * SITES]
extent = (0, 2 * SITES * SPACING, 0, float(ts[-1]))
limit = float(jnp.abs(truth).max())
for ax, field, title in ((axes[0], truth, "truth, 40 sites"), (axes[1], predicted, "learned on 20 sites")):
    ax.imshow(field, origin="lower", aspect="auto", extent=extent, vmin=-limit, vmax=limit, cmap="RdBu")
    ax.set(xlabel="x [m]", ylabel="t [s]", title=title)
curves = {f"{sites} sites": error[:, 1:] for sites, error in errors.items()}
analysis.plot_error_growth(ts[1:], curves, label="relative displacement error", ax=axes[2])
figure.savefig(OUTPUT / "wave_equation.png", dpi=110)

# %% [markdown]
# ## What this shows

# %%
figures = {}
for sites in (SITES, 2 * SITES):
    figures[f"displacement error after 20 s, {sites} sites [1]"] = analysis.summarize(errors[sites][:, -1]).median
    figures[f"largest energy error in 20 s, {sites} sites [1]"] = analysis.summarize(drifts[sites]).median
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE == "standard":
    for sites in (SITES, 2 * SITES):
        assert analysis.summarize(errors[sites][:, -1]).median < 0.005
        assert analysis.summarize(drifts[sites]).median < 0.005
