"""Mass solves that know the pattern of the mass matrix, against the dense formula on Lagrangians that have it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import Banded, BlockDiagonal, Cholesky, structure_error
from neural_lagrangian.numerics.checkpointing import STAGE

from ..helpers import DOUBLE, DTYPE, plain_acceleration, slow, states

SITES = 7


def _background(t, q, v):
    """A gauge-like term linear in v with a curl, explicit time, and a potential that couples everything."""
    return (1 + jnp.sin(t)) * jnp.dot(jnp.roll(q, 1) * q, v) - jnp.cos(jnp.sum(q)) * t


def bodies(t, q, v):
    """Bodies in two dimensions, the mass tensor of each dependent on where all others are."""
    x, u = q.reshape(-1, 2), v.reshape(-1, 2)
    mass = 1.5 + jnp.sin(jnp.sum(q) + x[:, 0])
    turned = u[:, 0] * u[:, 1] * jnp.cos(x[:, 1])
    return 0.5 * jnp.dot(mass, jnp.sum(u**2, axis=1)) + 0.2 * (jnp.sum(turned) + jnp.sum(u**4)) + _background(t, q, v)


def sites(t, q, v):
    return jnp.sum((1 + 0.3 * jnp.cos(q)) * v**2 + 0.1 * v**4 * jnp.sin(t) ** 2) + _background(t, q, v)


def coupled(width, periodic):
    """Velocities coupled up to `width` sites apart."""

    def lagrangian(t, q, v):
        total = jnp.sum(2.0 * v**2 + 0.1 * v**4) + _background(t, q, v)
        for k in range(1, width + 1):
            products = v * jnp.roll(v, -k) * jnp.cos(q - jnp.roll(q, -k)) / k
            total += jnp.sum(products if periodic else products[:-k])
        return total

    return lagrangian


CASES = {
    "bodies": (bodies, BlockDiagonal(2), 8),
    "sites": (sites, BlockDiagonal(), SITES),
    "chain": (coupled(1, False), Banded(), SITES),
    "ring": (coupled(1, True), Banded(periodic=True), SITES),
    "wide_chain": (coupled(2, False), Banded(2), SITES),
    "wide_ring": (coupled(2, True), Banded(2, periodic=True), SITES),
}


def _force(t, q, v):
    return -0.3 * v + jnp.sin(t)


@eqx.filter_jit
def _accelerations(lagrangian, mass_solve, *state):
    """Accelerations of a batch of states, and how far each mass matrix is from the structure claimed."""

    def one(*x):
        a = nl.acceleration(lagrangian, *x, force=_force, mass_solve=mass_solve)
        return a, structure_error(lagrangian, mass_solve, *x)

    return jax.vmap(one)(*state)


@pytest.mark.parametrize("name", [slow(name) if name == "wide_ring" else name for name in CASES])
def test_equals_the_dense_solve(name):
    lagrangian, mass_solve, dof = CASES[name]
    x = states(dof, 10, scale=0.5)

    def dense(t, q, v):
        M = nl.mass_matrix(lagrangian, t, q, v)
        return plain_acceleration(lagrangian, t, q, v) + jnp.linalg.solve(M, _force(t, q, v))

    tolerance = 1e-11 if DOUBLE else 1e-3
    ours, error = _accelerations(lagrangian, mass_solve, *x)
    np.testing.assert_allclose(ours, jax.jit(jax.vmap(dense))(*x), rtol=tolerance, atol=tolerance)
    assert error.max() < 20 * jnp.finfo(DTYPE).eps


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        slow("bodies", BlockDiagonal(1)),
        ("ring", Banded()),
        slow("wide_chain", Banded()),
    ],
)
def test_a_wrong_structure_is_another_system_and_is_seen(name, wrong):
    """Negative control: a pattern too narrow changes the answer, and the probe says so."""
    lagrangian, right, dof = CASES[name]
    x = states(dof, 3, scale=0.5)
    error = _accelerations(lagrangian, right, *x)[0] - _accelerations(lagrangian, wrong, *x)[0]
    assert jnp.abs(error).max() > 1e-2
    assert _accelerations(lagrangian, wrong, *x)[1].min() > 1e-2


@pytest.mark.parametrize("dof", [5, 6, 9])
@pytest.mark.parametrize(("width", "periodic"), [(1, True), (2, False), (2, True)])
def test_bands_of_every_length(dof, width, periodic):
    """Lengths that the block size and the number of seeds divide, and lengths that they do not."""
    rng = np.random.default_rng(dof)
    apart = np.abs(np.subtract.outer(np.arange(dof), np.arange(dof)))
    apart = np.minimum(apart, dof - apart) if periodic else apart
    A = rng.normal(size=(dof, dof))
    M = jnp.asarray(np.where(apart <= width, A + A.T + 12 * np.eye(dof), 0), DTYPE)
    b = jnp.asarray(rng.normal(size=dof), DTYPE)
    solve = Banded(width, periodic)
    products = jnp.asarray(solve.seeds(dof), DTYPE) @ M
    tolerance = 1e-12 if DOUBLE else 1e-4
    product, solution = jax.jit(lambda *args: (solve.product(*args), solve.solve(*args)))(products, b)
    np.testing.assert_allclose(product, M @ b, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(solution, np.linalg.solve(M, b), rtol=tolerance, atol=tolerance)


@pytest.mark.double
@pytest.mark.parametrize("name", [slow("bodies"), "chain", slow("wide_ring")])
def test_first_and_second_derivatives(name):
    lagrangian, mass_solve, dof = CASES[name]
    x = jnp.concatenate([jnp.atleast_1d(s[0]) for s in states(dof, 1, seed=5, scale=0.5)])
    scale = jnp.asarray(0.1, DTYPE)
    direction = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), DTYPE)

    def of(acceleration):
        def f(scale, x):
            def scaled(t, q, v):
                return lagrangian(t, q, v) + scale * jnp.sum(jnp.cos(q) * v**2)

            return jnp.sum(jnp.sin(acceleration(scaled, x[0], x[1 : dof + 1], x[dof + 1 :])))

        reverse = jax.grad(f, argnums=(0, 1))
        forward = jax.jvp(f, (scale, x), (scale, direction))[1]
        second = jax.jvp(reverse, (scale, x), (scale, direction))[1]
        twice = jax.grad(lambda s: jnp.dot(reverse(s, x)[1], direction))(scale)
        return forward, reverse(scale, x), second, twice

    ours, plain = jax.jit(
        lambda: (of(lambda L, *x: nl.acceleration(L, *x, mass_solve=mass_solve)), of(plain_acceleration))
    )()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8), ours, plain)


@pytest.mark.double
def test_a_block_that_lost_rank_moves_as_the_pseudoinverse_says():
    """One body of three with a redundant coordinate: value and gradient as of `jax.numpy.linalg.pinv` by blocks."""

    def lagrangian(shape, t, q, v):
        x, u = q.reshape(3, 2), v.reshape(3, 2)
        redundant = 0.5 * (1 + x[0, 0] ** 2) * (u[0, 0] + shape * u[0, 1]) ** 2
        return redundant + 0.5 * jnp.sum(u[1:] ** 2) * (2 + jnp.cos(shape * q[1])) - jnp.sin(q[0]) * jnp.sum(q)

    def ours(shape, q, v):
        mass_solve = BlockDiagonal(2)
        return jnp.sum(nl.acceleration(lambda *x: lagrangian(shape, *x), 0.0, q, v, mass_solve=mass_solve) ** 3)

    def plain(shape, q, v):
        def pinv(M, b):
            blocks = jnp.stack([M[i : i + 2, i : i + 2] for i in (0, 2, 4)])
            return jnp.einsum("bij,bj->bi", jnp.linalg.pinv(blocks), b.reshape(3, 2)).reshape(-1)

        return jnp.sum(plain_acceleration(lambda *x: lagrangian(shape, *x), 0.0, q, v, pinv) ** 3)

    _, q, v = (s[0] for s in states(6, 1))
    shape = jnp.asarray(0.7, DTYPE)
    ours, plain = (jax.jit(jax.value_and_grad(f, argnums=(0, 1, 2)))(shape, q, v) for f in (ours, plain))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9), ours, plain)


def test_a_singular_band_is_not_finite():
    """Two sites that move only together: reported by a rollout as a failure, never a silent number."""
    singular = lambda t, q, v: 0.5 * jnp.sum(v) ** 2 - jnp.sum(q**2)  # noqa: E731
    a = nl.acceleration(singular, 0.0, jnp.asarray([1.0, 2.0]), jnp.zeros(2), mass_solve=Banded())
    assert not jnp.any(jnp.isfinite(a))


@pytest.mark.double
@pytest.mark.slow
def test_a_training_rollout_keeps_a_and_the_factor():
    """The gradient through fixed steps equals that of the dense solve; what is kept of a stage grows with n."""
    lagrangian, mass_solve, dof = CASES["chain"]
    _, q, v = (s[0] for s in states(dof, 1, scale=0.3))
    ts, y0 = jnp.linspace(0.0, 0.1, 2), jnp.concatenate([q, v])

    def gradient(mass_solve):
        def loss(y0):
            network = lambda y: lagrangian(0.3, *jnp.split(y, 2))  # noqa: E731
            steps = nl.StepsPerSample(1)
            model = nl.NeuralLagrangian(network, RK4(), dof=dof, mass_solve=mass_solve, stepsize_controller=steps)
            return jnp.sum(model(ts, y0) ** 2)

        return jax.jit(jax.grad(loss))(y0)

    np.testing.assert_allclose(gradient(mass_solve), gradient(Cholesky()), rtol=1e-9, atol=1e-11)
    tangents = jax.make_jaxpr(
        lambda v: jax.jvp(lambda v: nl.acceleration(lagrangian, 0.0, q, v, mass_solve=mass_solve), (v,), (v,))
    )(v)
    assert f"f64[2,{dof}] = name[name={STAGE}]" in str(tangents)


def _flops(mass_solve, dof):
    q = jnp.linspace(0.0, 1.0, dof)
    lagrangian = lambda t, q, v: jnp.sum((1 + q**2) * v**2) - jnp.sum(jnp.cos(jnp.diff(q)))  # noqa: E731
    run = jax.jit(lambda q, v: nl.acceleration(lagrangian, 0.0, q, v, mass_solve=mass_solve))
    return run.lower(q, q).compile().cost_analysis()["flops"]


def test_operations_grow_linearly_with_the_number_of_sites():
    slope = np.log2(_flops(BlockDiagonal(), 512) / _flops(BlockDiagonal(), 128)) / 2
    assert slope == pytest.approx(1.0, abs=0.05)


def test_operations_of_a_dense_solve_do_not():
    """Negative control."""
    assert np.log2(_flops(Cholesky(), 256) / _flops(Cholesky(), 64)) / 2 > 1.8


@pytest.mark.parametrize("name", [slow("bodies"), "sites", slow("chain"), "wide_ring"])
def test_nothing_of_size_n_by_n_is_formed(name):
    _, mass_solve, _ = CASES[name]
    dof = 240  # divisible by every block and period
    lagrangian = lambda t, q, v: jnp.sum((1 + q**2) * v**2) - jnp.sum(jnp.cos(jnp.diff(q)))  # noqa: E731

    def largest(mass_solve):
        q = jnp.linspace(0.0, 1.0, dof)
        gradient = jax.grad(lambda q: jnp.sum(nl.acceleration(lagrangian, 0.0, q, q, mass_solve=mass_solve)))
        return jax.jit(gradient).lower(q).compile().memory_analysis().temp_size_in_bytes / q.dtype.itemsize

    assert largest(mass_solve) < 0.7 * dof**2
    if name == "sites":  # negative control
        assert largest(Cholesky()) > dof**2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BlockDiagonal(0), "`size` is 0; expected a positive integer"),
        (lambda: Banded(1.5), "`width` is 1.5; expected a positive integer"),
        (lambda: BlockDiagonal(3).seeds(8), "`q` has 8 coordinates; expected a multiple of the block size 3"),
        (lambda: Banded(2, periodic=True).seeds(4), "`q` has 4 coordinates; expected at least 5"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
