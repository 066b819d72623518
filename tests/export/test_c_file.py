"""A compiled C file computes what JAX computes."""

import subprocess

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.export import ExportError, to_c
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import Cholesky, ControlForce, LinearDamping, SmoothFriction, inverse_dynamics
from neural_lagrangian.models import with_control, with_precision

from ..helpers import mlp, slow_but
from .compiled import constants, exported, needs_compiler

pytestmark = [pytest.mark.double]
EVERYTHING = ("acceleration", "energy", "step", "torque", "linearization")


def mechanical(dof, width=8, **options):
    lagrangian = nl.MechanicalLagrangian.from_mlp(dof, width, periodic=[0], key=jax.random.key(1), dtype=jnp.float64)
    return nl.NeuralLagrangian(lagrangian, **options)


def with_friction():
    return mechanical(2, force=LinearDamping(jnp.array([0.3, 0.2])) + SmoothFriction([0.4, 0.1]))


def driven_by_time():
    return nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v * (2 + jnp.sin(t)) - jnp.sum(jnp.cos(q)) * jnp.exp(-t), dof=2
    )


def relative():
    scaling = nl.trajectories.Scaling(centre=[0.5, 0.0], q_scale=[0.1, 3.0], t_scale=0.2)
    return nl.Scaled(nl.NeuralLagrangian(mlp(4, width=8)), scaling)


MODELS = {
    "free_1": lambda: nl.NeuralLagrangian(mlp(2, width=12)),
    "free_2": lambda: nl.NeuralLagrangian(mlp(4, width=12)),
    "free_3_cholesky": lambda: nl.NeuralLagrangian(mlp(6, width=8), mass_solve=Cholesky()),
    "free_3": lambda: nl.NeuralLagrangian(mlp(6, width=8)),
    "mechanical_1": lambda: mechanical(1),
    "friction": with_friction,
    "mechanical_4": lambda: mechanical(4),
    "formula": lambda: nl.systems.DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81),
    "polynomial": lambda: nl.NeuralLagrangian(jax.tree.map(lambda x: x + 0.1, nl.lagrangians.AdditivePolynomial(2))),
    "square_roots": lambda: nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v - 3.0 * (jnp.sqrt(q @ q) - 1.0) ** 2, dof=2, mass_solve=Cholesky()
    ),
    "time": driven_by_time,
    "scaled": relative,
    "hamiltonian": lambda: nl.HamiltonianNetwork(mlp(4, width=8)),
    "neural_ode": lambda: nl.NeuralODE(mlp(4, 2)),
    "neural_ode_first_order": lambda: nl.NeuralODE(mlp(4, 4)),
}
SOME = ("formula", "friction", "free_2", "mechanical_4", "scaled", "time")
QUICK = ("free_2", "formula")


def dof_of(model):
    return model.model.dof if isinstance(model, nl.Scaled) else model.dof


def states(dof, count):
    ts, ys = np.random.default_rng(0).normal(size=count), np.random.default_rng(1).normal(size=(count, 2 * dof))
    return ts, ys[:, :dof], ys[:, dof:]


def error(found, expected):
    """Relative to the size of each expected vector. One that is close to zero counts as a hundredth of the others."""
    found, expected = (np.asarray(x, float).reshape(len(x), -1) for x in (found, expected))
    assert np.isfinite(found).all()
    sizes = np.abs(expected).max(axis=1)
    assert sizes.mean() > 0
    return (np.abs(found - expected).max(axis=1) / np.maximum(sizes, 0.01 * sizes.mean())).max()


def compare(model, folder, count, tolerance, **options):
    """All functions of a model at random states."""
    dof = dof_of(model)
    compiled = exported(model, folder, **options)
    reference = model if options.get("dtype") != "float" else with_precision(model, jnp.float32)
    dtype = compiled.dtype
    ts, qs, vs = (x.astype(dtype) for x in states(dof, count))
    rows = [{"t": t, "q": q, "v": v, "a": q} for t, q, v in zip(ts, qs, vs, strict=True)]

    def field(t, q, v):
        return reference.vector_field(t, jnp.concatenate([q, v]))

    rates = np.asarray(jax.jit(jax.vmap(field))(ts, qs, vs))
    names = compiled._declared
    if "model_acceleration" in names:
        assert error([compiled("acceleration", dof, **strip(row, "a")) for row in rows], rates[:, dof:]) < tolerance
    else:
        assert error([compiled("rate", dof, **row) for row in rows], rates) < tolerance
    if "model_energy" in names:
        energies = np.asarray(jax.jit(jax.vmap(reference.energy))(ts, qs, vs))
        found = np.array([compiled("energy", None, **row) for row in rows])
        assert np.abs(found - energies).max() < tolerance * np.abs(energies).max()
    if "model_torque" in names:
        torque = lambda t, q, v: inverse_dynamics(reference.lagrangian, t, q, v, q, force=reference.force)  # noqa: E731
        expected = np.asarray(jax.jit(jax.vmap(torque))(ts, qs, vs))
        assert error([compiled("torque", dof, **row) for row in rows], expected) < 10 * tolerance
    if "model_linearization" in names:
        jacobian = jax.jit(jax.vmap(lambda t, q, v: jnp.concatenate(jax.jacfwd(field, (1, 2))(t, q, v), axis=1)))
        expected = np.asarray(jacobian(ts, qs, vs))
        found = [compiled("linearization", 4 * dof * dof, **row) for row in rows]
        assert error(found, expected) < 100 * tolerance
    return compiled


def strip(row, *names):
    return {name: value for name, value in row.items() if name not in names}


@needs_compiler
@pytest.mark.parametrize("name", slow_but(MODELS, *QUICK))
def test_a_compiled_model_computes_what_jax_computes(name, tmp_path):
    """The compiler has no warning, and the program takes no memory from the heap."""
    compiled = compare(MODELS[name](), tmp_path, 10_000, 1e-12)
    text = compiled.source.read_text()
    assert not any(word in text for word in ("malloc", "calloc", "realloc", "free("))
    symbols = subprocess.run(["nm", "-u", compiled.path], capture_output=True, text=True).stdout
    assert not any(word in symbols for word in ("malloc", "calloc", "realloc"))


@needs_compiler
@pytest.mark.parametrize("name", slow_but(SOME, "formula"))
def test_a_float_file_computes_what_jax_computes_in_single_precision(name, tmp_path):
    compare(MODELS[name](), tmp_path, 10_000, 1e-5, dtype="float")


@needs_compiler
@pytest.mark.parametrize("name", slow_but(SOME, "formula"))
def test_inverse_dynamics_and_linearization(name, tmp_path):
    compare(MODELS[name](), tmp_path, 100, 1e-12, functions=EVERYTHING)


@needs_compiler
@pytest.mark.parametrize("name", slow_but(MODELS, "formula", "neural_ode_first_order"))
def test_a_step_is_that_of_rk4(name, tmp_path):
    model = MODELS[name]()
    compiled, h, n = exported(model, tmp_path), 0.05, dof_of(model)
    (t, *_), (q, *_), (v, *_) = states(n, 1)
    term = diffrax.ODETerm(lambda t, y, args: model.vector_field(t, y))
    y0 = jnp.concatenate([jnp.asarray(q), jnp.asarray(v)])
    solution = diffrax.diffeqsolve(term, RK4(), t, t + h, h, y0)
    found = compiled("step", n, t=t, h=h, q=q, v=v)
    np.testing.assert_allclose(found, solution.ys[-1], rtol=1e-11, atol=1e-13)
    assert not np.allclose(found, y0 + h * model.vector_field(t, y0), rtol=1e-6)  # as Euler's step would be


@needs_compiler
def test_controls_are_held_inputs(tmp_path):
    motor = ControlForce([[1.0], [-2.0]])
    damping = LinearDamping(jnp.array([0.3, 0.2]))
    model = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: v @ v + 0.3 * v[0] * v[1] + jnp.sum(jnp.cos(q)), dof=2, force=damping + motor
    )
    compiled = exported(model, tmp_path, functions=("step", "torque"))
    q, v, u = np.array([0.3, -0.2]), np.array([0.1, 0.7]), np.array([1.7])
    driven = with_control(model, jnp.array([0.0, 1.0]), jnp.full((2, 1), u[0]))
    a = driven.acceleration(0.0, jnp.asarray(q), jnp.asarray(v))
    np.testing.assert_allclose(compiled("acceleration", 2, q=q, v=v, u=u), a, rtol=1e-12)
    # The torque that this acceleration needs is that of the motor.
    np.testing.assert_allclose(compiled("torque", 2, q=q, v=v, a=a), [1.7, -3.4], rtol=1e-10)


@needs_compiler
@pytest.mark.slow
def test_a_branch_that_is_rarely_taken(tmp_path):
    """At rest the derivatives of |v| are 0/0, so the program takes its other branch."""
    model = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * jnp.linalg.norm(v) ** 2 - 0.5 * q @ q, dof=2, mass_solve=Cholesky()
    )
    compiled, q, rest = exported(model, tmp_path), np.array([0.3, -0.2]), np.zeros(2)
    expected = model.acceleration(0.0, jnp.asarray(q), jnp.asarray(rest))
    np.testing.assert_allclose(compiled("acceleration", 2, q=q, v=rest), expected, rtol=1e-6)


@needs_compiler
def test_a_singular_mass_matrix_of_two_coordinates_has_no_acceleration_without_mass(tmp_path):
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v[0] ** 2 - 2.0 * q @ q, dof=2)
    compiled = exported(model, tmp_path)
    np.testing.assert_allclose(compiled("acceleration", 2, q=np.ones(2), v=np.zeros(2)), [-4.0, 0.0])


@needs_compiler
@pytest.mark.parametrize("dtype", ["double", "float"])
def test_a_singular_mass_matrix_of_more_coordinates_is_inverted_as_in_jax(dtype, tmp_path):
    """The last coordinate has no mass, and of the two before it only the sum has."""

    def lagrangian(t, q, v):
        return v[0] ** 2 + 0.3 * v[0] * v[1] + (v[1] + 2 * v[2]) ** 2 - q @ q

    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=4)
    compiled = exported(model, tmp_path, dtype=dtype, functions=("acceleration", "linearization"))
    q, v = np.array([0.3, -0.4, 0.5, 0.6]), np.array([0.1, 0.2, -0.3, 0.7])
    y, tolerance = jnp.concatenate([jnp.asarray(q), jnp.asarray(v)]), 1e-11 if dtype == "double" else 1e-5
    a = model.acceleration(0.0, *jnp.split(y, 2))
    found = compiled("acceleration", 4, q=q, v=v)
    np.testing.assert_allclose(found, a, rtol=tolerance, atol=tolerance)
    assert abs(found[3]) < tolerance < abs(found[2])
    slopes = jax.jacfwd(lambda y: model.vector_field(0.0, y))(y)
    found = np.reshape(compiled("linearization", 64, q=q, v=v), (8, 8))
    np.testing.assert_allclose(found, slopes, atol=100 * tolerance)  # slopes up to 44


@needs_compiler
def test_systems_of_equations_and_eigenvalues(tmp_path):
    """`jnp.linalg.solve` and `eigvalsh` of a matrix of five rows, whose first pivot is zero."""
    some = np.random.default_rng(4).normal(size=(5, 5))
    some[0, 0] = 0.0

    def field(y):
        A = jnp.asarray(some) + 0.1 * jnp.outer(y, y)[0, 1] * (1 - jnp.eye(5))
        x = jnp.linalg.solve(A, jnp.arange(5.0) + y[0])
        w = jnp.linalg.eigvalsh(A + A.T)
        return jnp.stack([x @ w, w[0]]) / 10

    model = nl.NeuralODE(field, dof=1)
    compiled = exported(model, tmp_path)
    q, v = np.array([0.3]), np.array([0.7])
    expected = model.vector_field(0.0, jnp.array([0.3, 0.7]))
    np.testing.assert_allclose(np.ravel(compiled("rate", 1, q=q, v=v)), expected, rtol=1e-11)


@pytest.mark.parametrize("dtype", slow_but(["double", "float"], "float"))
def test_weights_are_written_to_the_last_bit(dtype, tmp_path):
    network = mlp(2, width=12)
    source, _ = to_c(nl.NeuralLagrangian(network), tmp_path / "m.c", dtype=dtype)
    kind = np.float64 if dtype == "double" else np.float32
    tables = [table.astype(kind).tolist() for table in constants(source.read_text())]
    for layer in network.layers:
        weight = np.asarray(layer.weight).astype(kind).ravel().tolist()
        assert weight in tables
        wrong = [*weight[:-1], float(np.nextafter(kind(weight[-1]), kind(9)))]
        assert wrong not in tables


@pytest.mark.bad_input
def test_an_operation_that_c_cannot_hold_is_named(tmp_path):
    refused = {
        "its rate contains the operation `sort`|vector field contains the operation `sort`": nl.NeuralODE(
            lambda y: jnp.sort(y)[:1], dof=1
        ),
        r"`householder_product|`geqrf`|`qr`": nl.NeuralODE(lambda y: jnp.linalg.qr(jnp.outer(y, y))[0][0, :1], dof=1),
        r"`lu`; it decomposes a matrix.*mass_solve=nl\.mechanics\.Cholesky": nl.NeuralODE(
            lambda y: jax.scipy.linalg.lu_factor(jnp.outer(y, y))[0][0, :1], dof=1
        ),
        "contains the operation `while`": nl.NeuralODE(
            lambda y: jax.lax.while_loop(lambda x: x[0] < 1, lambda x: x + 1, y)[:1], dof=1
        ),
        "`gather` with indices that depend|`dynamic_slice` with indices that depend": nl.NeuralODE(
            lambda y: jnp.arange(3.0)[y[:1].astype(int)], dof=1
        ),
        "a loop of 1000 steps; expected at most": nl.NeuralODE(
            lambda y: jax.lax.scan(lambda x, _: (jnp.sin(x), None), y[:1], length=1000)[0], dof=1
        ),
    }
    for message, model in refused.items():
        with pytest.raises(ExportError, match=message):
            to_c(model, tmp_path / "m.c")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "model.txt"}, "`path` is 'model.txt'; expected a name that ends in .c"),
        ({"dtype": "half"}, "`dtype` is 'half'; expected 'double' or 'float'"),
        ({"name": "1st"}, "`name` is '1st'; expected a name in C"),
        ({"name": "float"}, "`name` is 'float'; expected a name in C"),
        ({"dof": 2}, "`dof` is 2; expected 1"),
        ({"functions": ("rate",)}, r"`functions` has \['rate'\]; expected a sequence of some of"),
        ({"functions": "energy"}, "`functions` has 'energy'; expected a sequence"),
        ({"model": 3}, "`model` is 3; expected an instance of"),
    ],
)
def test_bad_arguments_are_refused(options, message, tmp_path):
    given = {"model": nl.systems.Pendulum(), "path": tmp_path / "model.c"} | options
    with pytest.raises(ValueError, match=message):
        to_c(given.pop("model"), given.pop("path"), **given)


@needs_compiler
def test_the_comment_describes_the_model_and_cannot_be_ended_by_a_note(tmp_path):
    compiled = exported(nl.systems.Pendulum(), tmp_path, notes=["range: a */ b /* c", "Zürich \\"])
    comment = compiled.source.read_text().partition("*/")[0]
    for text in (f"neural_lagrangian {nl.__version__}", "Pendulum", "degrees of freedom: 1", "range: a", "reentrant"):
        assert text in comment
    assert "model_acceleration(q, v, a);" in comment


@needs_compiler
def test_the_default_prefix_is_the_class_in_snake_case(tmp_path):
    _, header = to_c(nl.NeuralODE(mlp(2, 1)), tmp_path / "m.c")
    assert "void neural_ode_acceleration(const double q[1]" in header.read_text()
