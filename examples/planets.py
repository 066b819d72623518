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
# # The inner planets, and two unseen bodies
#
# The data are Mercury, Venus and Mars about the Sun (JPL Horizons), one state each day. The Lagrangian is learned
# from the first 730 days: the law of attraction and the planets' masses. No law of these four bodies alone can
# explain the motion of Mars. So the model also learns where unseen bodies must be, and their masses. Then it predicts
# the next 365 days from the state of day 730.

# %%
import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optimistix as optx
from scipy.optimize import nnls
from sizes import OUTPUT, asked

import neural_lagrangian as nl

jax.config.update("jax_enable_x64", True)

SMOKE = asked("smoke")
PLANETS = ("mercury", "venus", "mars")
DAY = 0.01720209895  # in units of time in which the Sun's attraction is about 1 au^3 / unit^2 (Gauss)
TRAINING, TEST = (60, 60) if SMOKE else (730, 365)

# %% [markdown]
# ## Orbits
#
# Positions are heliocentric, in au. The unit of time is 58.13 days, so all numbers are of order one.

# %%
try:
    orbits = nl.datasets.jpl_inner_planets(PLANETS)
except nl.trajectories.DataFileError as error:
    print(f"skipped: the orbits are not here ({error})")
    raise SystemExit(0) from None
ts = jnp.asarray(orbits.ts[0]) * DAY
ys = jnp.asarray(orbits.ys[0]) * jnp.repeat(jnp.array([1.0, 1 / DAY]), 9)[None]

# %% [markdown]
# ## Lagrangian
#
# The Sun's own motion is eliminated: it carries minus the planets' momentum. In units of the Sun's mass,
#
# $$L = \sum_i \tfrac12 m_i |v_i|^2 - \frac{|\sum_i m_i v_i|^2}{2 (1 + \sum_i m_i)} + \sum_i m_i U(|x_i|)
#   + \sum_{i<j} m_i m_j U(|x_i - x_j|)
#   + \sum_i \sum_h m_i m_h \bigl[U(|x_i - X_h(t)|) - \omega_h^2\, x_i \cdot X_h(t)\bigr].$$
#
# The law is $U(r) = k\, r^{-p}$. Unseen bodies h move on circles in the plane of the Earth's orbit, with the period
# that the law demands at their radius. The last term is the acceleration of the Sun towards them.


# %%
class Law(eqx.Module):
    strength: jax.Array
    power: jax.Array

    def __call__(self, r):
        return self.strength * r**-self.power


class Unseen(eqx.Module):
    log_mass: jax.Array
    log_radius: jax.Array
    longitude: jax.Array

    def potential(self, law, t, x):
        radius = jnp.exp(self.log_radius)
        rate_squared = law.strength * law.power * radius ** -(law.power + 2)
        angle = self.longitude + jnp.sqrt(rate_squared) * t
        X = radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)], axis=1)
        direct = law(jnp.linalg.norm(x[:, None] - X[None], axis=2))
        return (direct - x @ X.T * rate_squared[None]) @ jnp.exp(self.log_mass)


class SolarSystem(eqx.Module):
    law: Law
    log_mass: jax.Array
    unseen: Unseen | None = None

    def __call__(self, t, q, v):
        m, x, x_dot = jnp.exp(self.log_mass), q.reshape(3, 3), v.reshape(3, 3)
        planets = nl.lagrangians.ParticleLagrangian(
            lambda planet: planet.features * (0.5 * jnp.dot(planet.v, planet.v) + self.law(jnp.linalg.norm(planet.x))),
            nl.lagrangians.RadialPair(self.law, weight=jnp.multiply),
            dimension=3,
            features=m,
        )
        p = m @ x_dot
        L = planets(t, q, v) - 0.5 * jnp.dot(p, p) / (1 + jnp.sum(m))
        return L if self.unseen is None else L + jnp.dot(m, self.unseen.potential(self.law, t, x))


def model(system, solver=None, **steps):
    return nl.NeuralLagrangian.from_lagrangian(system, solver, dof=9, mass_solve=nl.mechanics.Cholesky(), **steps)


def training_model(system):
    return model(system, nl.integrators.RK4(), stepsize_controller=nl.StepsPerSample(2))


def position_errors(positions):
    return np.linalg.norm(np.reshape(positions, (-1, 3, 3)), axis=2)


@eqx.filter_jit
def predict(system):
    """Position errors in au over the days of the test, from the measured state of the first."""
    days = slice(TRAINING, TRAINING + TEST + 1)
    precise = diffrax.PIDController(rtol=1e-11, atol=1e-11)
    rollout = model(system, diffrax.Dopri8(), stepsize_controller=precise, max_steps=10_000)
    return (rollout(ts[days], ys[TRAINING]) - ys[days])[:, :9]


# %% [markdown]
# ## Training
#
# The windows are pieces of the training days, each rolled out from its measured start. There are few parameters, so
# the fit is nonlinear least squares by Levenberg-Marquardt. Forward mode through the rollouts gives exact
# derivatives.


# %%
def windows(days, count):
    starts = np.unique(np.linspace(0, TRAINING - days, count).astype(int))
    rows = jnp.asarray(starts[:, None] + np.arange(days + 1)[None])
    return ts[rows], ys[rows]


def residual(system, data):
    """Position errors of all windows, in 1e-4 au, every fifth day."""
    times, truth = data
    predicted = jax.vmap(lambda ts, ys: training_model(system)(ts, ys[0]))(times, truth)
    return (predicted - truth)[:, 5::5, :9].reshape(-1) * 1e4


@eqx.filter_jit
def least_squares(system, data):
    parameters, static = eqx.partition(system, eqx.is_inexact_array)
    solver = optx.LevenbergMarquardt(rtol=1e-6, atol=1e-6)
    solution = optx.least_squares(
        lambda parameters, data: residual(eqx.combine(parameters, static), data),
        solver,
        parameters,
        data,
        options={"jac": "fwd"},
        max_steps=3 if SMOKE else 60,
        throw=False,
    )
    return eqx.combine(solution.value, static), solution.stats["num_steps"]


def learn(name, system, data):
    system, steps = least_squares(system, data)
    rms = float(jnp.sqrt(jnp.mean(residual(system, data) ** 2))) * 1e-4
    print(f"{name}: {int(steps)} steps, root mean square error {rms:.1e} au; ", end="")
    print(f"U = {float(system.law.strength):.7f} / r^{float(system.law.power):.7f}")
    return system


short, long = windows(30, 24), windows(TEST if not SMOKE else 50, 7)
LIGHT = jnp.full(3, -30.0)  # planets that do not act on each other

# %% [markdown]
# The first fit finds the law, from windows of a month and a wrong guess.

# %%
first = SolarSystem(Law(jnp.asarray(0.8), jnp.asarray(0.7)), LIGHT)
central = learn("central law, 30 d", first, short)
central = learn("central law, 365 d", central, long)

# %% [markdown]
# ## Attraction by unseen bodies
#
# The remaining acceleration is small, so it is linear in the missing masses. These are the masses of the planets, and
# one mass for each point of a map of radius and longitude. Non-negative least squares gives a sparse solution.

# %%
RADII = np.geomspace(0.2, 12.0, 4 if SMOKE else 25)
LONGITUDES = np.linspace(-np.pi, np.pi, 5 if SMOKE else 36, endpoint=False)
TRIAL = 1e-7


@eqx.filter_jit
def responses(central, data, radii, longitudes):
    base = residual(central, data)

    def to_body(radius, longitude):
        mass = jnp.log(TRIAL * (1 + radius) ** 3)
        unseen = Unseen(mass[None], jnp.log(radius)[None], longitude[None])
        return (residual(SolarSystem(central.law, LIGHT, unseen), data) - base) / jnp.exp(mass)

    def to_planet(i):
        return (residual(SolarSystem(central.law, LIGHT.at[i].set(jnp.log(TRIAL))), data) - base) / TRIAL

    def to_law(i):
        change = 1e-7 * jnp.eye(2)[i]
        law = Law(central.law.strength + change[0], central.law.power + change[1])
        return (residual(SolarSystem(law, LIGHT), data) - base) / 1e-7

    return base, *(
        jax.lax.map(lambda at, f=f: f(*at), each)
        for f, each in ((to_body, (radii, longitudes)), (to_planet, (jnp.arange(3),)), (to_law, (jnp.arange(2),)))
    )


places = np.stack(np.meshgrid(RADII, LONGITUDES, indexing="ij"), axis=-1).reshape(-1, 2)
base, of_bodies, of_planets, of_law = (np.asarray(x) for x in responses(central, long, *jnp.asarray(places).T))
columns = np.concatenate([of_bodies, of_planets, of_law, -of_law]).T
scale = np.linalg.norm(columns, axis=0)
weights, _ = nnls(columns / scale, -base)
found = weights / scale
response = weights[: len(places)]

# %% [markdown]
# The two points with the strongest response, at least 1 au apart, are the initial positions of the unseen bodies.
# Their initial masses are the masses found around each point. From this start a last fit takes all parameters
# together.

# %%
order = np.argsort(-response)
apart = [n for n in order if abs(places[n, 0] - places[order[0], 0]) > 1]
chosen = [order[0], apart[0]]
near = [np.abs(places[:, 0] / places[n, 0] - 1) < 0.3 for n in chosen]
masses = np.array([found[: len(places)][at].sum() for at in near])
seen = np.maximum(found[len(places) : len(places) + 3], 1e-8)
guess = Unseen(jnp.log(masses), jnp.log(places[chosen, 0]), jnp.asarray(places[chosen, 1]))
system = learn("with two unseen bodies", SolarSystem(central.law, jnp.log(seen), guess), long)

print(f"\n{'':12s}{'mass/Sun':>12s}{'radius [au]':>12s}{'longitude on 2018-01-16':>26s}")
for name, mass in zip(PLANETS, jnp.exp(system.log_mass), strict=True):
    print(f"{name:12s}{float(mass):12.2e}")
unseen = [np.exp(system.unseen.log_mass), np.exp(system.unseen.log_radius), np.degrees(system.unseen.longitude) % 360]
for n, (mass, radius, longitude) in enumerate(np.transpose(unseen)):
    print(f"unseen {n + 1:<5d}{mass:12.2e}{radius:12.2f}{longitude:22.0f} deg")
print("(Earth and Moon 3.04e-06, 0.98 au, 116 deg; Jupiter 9.55e-04, 5.43 au, 221 deg)")

# %% [markdown]
# ## The next 365 days
#
# The comparison is Newton's law with the known masses of the Sun, Mercury, Venus and Mars.

# %%
known = jnp.log(jnp.array([1.6601e-7, 2.4478e-6, 3.2272e-7]))
MODELS = {
    "Newton, known masses": SolarSystem(Law(jnp.asarray(1.0), jnp.asarray(1.0)), known),
    "learned central law": central,
    "learned, with two unseen bodies": system,
}
errors = {name: position_errors(predict(system)) for name, system in MODELS.items()}
print(f"\n{f'position error [au] after {TEST} d (largest)':44s}" + "".join(f"{planet:>20s}" for planet in PLANETS))
for name, error in errors.items():
    row = "".join(f"{error[-1, i]:10.1e} ({error[:, i].max():.1e})" for i in range(3))
    print(f"{name:44s}{row}")

# %%
figure, axes = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
grid = response.reshape(len(RADII), len(LONGITUDES))
axes[0].pcolormesh(np.degrees(LONGITUDES), RADII, grid, cmap="Greys", vmax=np.quantile(grid, 0.99) + 1e-9)
axes[0].plot((unseen[2] + 180) % 360 - 180, unseen[1], "o", mfc="none", ms=12, label="after the fit")
axes[0].set(yscale="log", xlabel="longitude [deg]", ylabel="radius [au]", title="where unseen bodies may be")
axes[0].legend()
days = np.arange(1, TEST + 1)
for i, planet in enumerate(PLANETS):
    for name, error in errors.items():
        axes[i + 1].semilogy(days, error[1:, i], label=name)
    axes[i + 1].set(xlabel="days", title=planet, ylim=(1e-8, 2e-3))
axes[1].set_ylabel("position error [au]")
axes[1].legend(fontsize="small")
figure.savefig(OUTPUT / "planets.png", dpi=110)

# %% [markdown]
# ## What this shows
#
# The law of attraction is the inverse square. The fit finds the masses and positions of both unseen bodies, the Earth
# and Jupiter, from the motion of Mercury, Venus and Mars. No central law without them predicts Mars better than
# Newton's law does. Mars itself is too light: its pull on the others does not show.

# %%
if not SMOKE:
    largest = {name: error.max(axis=0) for name, error in errors.items()}
    assert np.all(largest["learned, with two unseen bodies"] < [1e-4, 1e-4, 5e-4])
    assert np.all(largest["learned, with two unseen bodies"] < largest["Newton, known masses"])
    assert abs(float(system.law.power) - 1) < 1e-5
