"""A JAX function as the list of its elementary operations (its jaxpr), for rules that work step by step.

This is the only file that rewrites jaxprs; `export` reads them too. `jax.extend` does not promise compatibility. If it
has changed, one warning is given, and each function becomes a program with one step: the function itself.
"""

import warnings
from collections.abc import Callable, Iterable
from functools import cache
from itertools import count
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jaxtyping import Array

Node = TypeVar("Node")

INLINED = {"jit", "pjit"}
"""Primitives that only call a function. Their body is inlined."""

SINGULAR_AT_ZERO = {"sqrt": 0, "rsqrt": 0, "cbrt": 0, "pow": 0, "log": 0, "div": 1, "atan2": 1}
"""Primitives whose derivative is not finite if one operand is zero, and the number of that operand."""


class Operation(NamedTuple):
    """One elementary operation. `inputs` and `outputs` are the numbers of its values in the program."""

    apply: Callable[..., list[Array]]
    inputs: list[int]
    outputs: list[int]
    singular_at_zero: tuple[int, ...] = ()
    """The inputs that make the derivative not finite if they are zero."""


class Program(NamedTuple):
    """The steps of a function with one output. `constants` are the values that no step computes."""

    inputs: list[int]
    constants: dict[int, Array]
    steps: list[Operation]
    output: int

    def __call__(self, *args: Array) -> Array:
        values = dict(zip(self.inputs, args, strict=True)) | self.constants
        for step in self.steps:
            values.update(zip(step.outputs, step.apply(*(values[i] for i in step.inputs)), strict=True))
        return values[self.output]


def program_of(fn: Callable[..., Array], *args: Array) -> Program:
    """The program (list of elementary steps) of `fn`, traced at arguments like `args`.

    Matrix-vector products are written with the vector first. A batch of vectors then stays in the rows of every
    intermediate value; the other order would transpose it at each product (half of the run time for a batch of 1 024
    in a network of 128 units).

    Two kinds of functions become a program with one step, the function itself: functions with a custom reverse-mode
    rule, which have no forward mode, and functions with complex values, which have no real inner product.
    """
    if not _can_be_taken_apart():
        return _whole(fn, args)
    closed = jax.make_jaxpr(fn)(*args)
    return _whole(fn, args) if any(map(_is_opaque, _equations(closed.jaxpr))) else _taken_apart(closed, len(args))


def _whole(fn: Callable[..., Array], args: tuple[Array, ...]) -> Program:
    """A program with one step: the function itself."""
    *inputs, output = range(len(args) + 1)
    return Program(inputs, {}, [Operation(lambda *args: [fn(*args)], inputs, [output])], output)


@cache
def _can_be_taken_apart() -> bool:
    """Whether this file can read the jaxprs of the installed JAX. Tested on a call, a product and a constant."""
    x = jax.ShapeDtypeStruct((2,), jnp.float32)
    try:
        probe = jax.make_jaxpr(lambda x: jnp.sum(jax.jit(jnp.tanh)(np.ones((2, 2), np.float32) @ x) / 2))(x)
        program = _taken_apart(probe, 1)
        assert jax.eval_shape(program, x).shape == ()
        assert singular_steps(program) == []
        assert not any(map(_is_opaque, _equations(probe.jaxpr)))
    except Exception as error:  # another version of JAX may raise anything
        warnings.warn(
            f"this package cannot read the jaxprs of JAX {jax.__version__} ({error!r}). Accelerations are slower, and "
            "derivatives are not finite where the chain rule gives 0/0. Please report this, and install the version "
            "of JAX in constraints.txt until it is fixed",
            stacklevel=3,
        )
        return False
    return True


def _taken_apart(closed: core.ClosedJaxpr, count_of_inputs: int) -> Program:
    """The program with all elementary steps."""
    numbers = count()
    inputs = [next(numbers) for _ in range(count_of_inputs)]
    constants: dict[int, Array] = {}
    steps: list[Operation] = []

    def constant(value: Any) -> int:
        number = next(numbers)
        constants[number] = jnp.asarray(value)
        return number

    def flatten(jaxpr: core.Jaxpr, consts: list[Any], arguments: list[int]) -> list[int]:
        number = dict(zip(jaxpr.constvars, map(constant, consts), strict=True))
        number |= zip(jaxpr.invars, arguments, strict=True)

        def read(atom: Any) -> int:
            return constant(atom.val) if isinstance(atom, core.Literal) else number[atom]

        used = set(_variables(jaxpr.outvars)).union(*(_variables(eqn.invars) for eqn in jaxpr.eqns))
        for eqn in jaxpr.eqns:
            if eqn.primitive.name in INLINED and isinstance(body := eqn.params.get("jaxpr"), core.ClosedJaxpr):
                outputs = flatten(body.jaxpr, body.consts, [read(atom) for atom in eqn.invars])
                number |= zip(eqn.outvars, outputs, strict=True)
                continue
            inputs, outputs = _variables(eqn.invars), [var for var in eqn.outvars if var in used]
            if not outputs and not eqn.effects:
                continue
            number |= {var: next(numbers) for var in outputs}
            apply = _vector_first(eqn) if _is_matrix_vector_product(eqn) else _alone(jaxpr, eqn, inputs, outputs)
            singular = tuple(number[var] for var in _singular_at_zero(eqn))
            steps.append(Operation(apply, [number[var] for var in inputs], [number[var] for var in outputs], singular))
        return [read(atom) for atom in jaxpr.outvars]

    (output,) = flatten(closed.jaxpr, closed.consts, inputs)
    return Program(inputs, constants, steps, output)


def depends(fn: Callable[[Array], Array], x: Array) -> bool:
    """Whether the output of `fn` depends on its argument, judged by its steps (not by values)."""
    program = program_of(fn, x)
    return program.output in _dependent(program)


def is_constant(fn: Callable[..., tuple[Array, ...]], *x: Array) -> bool:
    """Whether no output of `fn` depends on an argument. False if this is not known."""
    if not _can_be_taken_apart():
        return False
    jaxpr = jax.make_jaxpr(fn)(*x).jaxpr
    dependent = _reached(jaxpr.invars, ((_variables(eqn.invars), eqn.outvars) for eqn in jaxpr.eqns))
    return dependent.isdisjoint(_variables(jaxpr.outvars))


def singular_steps(program: Program) -> list[tuple[Operation, tuple[int, ...]]]:
    """The steps up to the last singular one, each with its singular operands.

    An operand is singular if the derivative is not finite when the operand is zero. Operands that do not depend on the
    inputs, such as masses, are left out.
    """
    dependent = _dependent(program)
    found = [(step, tuple(i for i in step.singular_at_zero if i in dependent)) for step in program.steps]
    last = max((k for k, (_, operands) in enumerate(found) if operands), default=-1)
    return found[: last + 1]


def _dependent(program: Program) -> set[int]:
    """The inputs, and all values that depend on them."""
    return _reached(program.inputs, ((step.inputs, step.outputs) for step in program.steps))


def _reached(starts: Iterable[Node], steps: Iterable[tuple[Iterable[Node], Iterable[Node]]]) -> set[Node]:
    """The starts, and everything that the steps (inputs, outputs), taken in order, reach from them."""
    reached = set(starts)
    for inputs, outputs in steps:
        if not reached.isdisjoint(inputs):
            reached.update(outputs)
    return reached


def _alone(
    jaxpr: core.Jaxpr, eqn: core.JaxprEqn, inputs: list[core.Var], outputs: list[core.Var]
) -> Callable[..., list[Array]]:
    """One equation of the jaxpr, as a function."""
    whence = jaxpr.debug_info._replace(arg_names=None, result_paths=None)
    alone = core.Jaxpr((), inputs, outputs, [eqn], eqn.effects, whence)
    return core.jaxpr_as_fun(core.ClosedJaxpr(alone, ()))


def _is_matrix_vector_product(eqn: core.JaxprEqn) -> bool:
    return eqn.primitive.name == "dot_general" and [aval.ndim for aval in _avals(_variables(eqn.invars))] == [2, 1]


def _vector_first(eqn: core.JaxprEqn) -> Callable[..., list[Array]]:
    (left, right), batch = eqn.params["dimension_numbers"]
    precision = eqn.params["precision"]

    def product(matrix: Array, vector: Array) -> list[Array]:
        out = jax.lax.dot_general(
            vector,
            matrix,
            ((right, left), batch),
            precision=precision[::-1] if isinstance(precision, tuple) else precision,
            preferred_element_type=eqn.params["preferred_element_type"],
        )
        return [out]

    return product


def _variables(atoms: Iterable[Any]) -> list[core.Var]:
    """The distinct variables among atoms."""
    return list(dict.fromkeys(atom for atom in atoms if not isinstance(atom, core.Literal)))


def _avals(atoms: Iterable[Any]) -> list[Any]:
    """Shapes and dtypes of the arrays among atoms."""
    return [atom.aval for atom in atoms if hasattr(atom.aval, "dtype")]


def _singular_at_zero(eqn: core.JaxprEqn) -> list[core.Var]:
    """The operands that make the derivative not finite if they are zero.

    For a loop or a branch that contains such a step: all operands.
    """
    name = eqn.primitive.name
    if name.startswith("custom_jvp_call"):
        return []  # it defines its own derivative
    if name in SINGULAR_AT_ZERO:
        return _variables(eqn.invars[SINGULAR_AT_ZERO[name] :][:1])
    if name == "integer_pow" and eqn.params["y"] < 0:
        return _variables(eqn.invars)
    nested = (inner for body in _bodies(eqn) for inner in body.eqns)
    return _variables(eqn.invars) if any(map(_singular_at_zero, nested)) else []


def _is_opaque(eqn: core.JaxprEqn) -> bool:
    avals = _avals((*eqn.invars, *eqn.outvars))
    complex_valued = any(jnp.issubdtype(aval.dtype, jnp.complexfloating) for aval in avals)
    return complex_valued or eqn.primitive.name.startswith("custom_vjp_call")


def _equations(jaxpr: core.Jaxpr):
    """All equations, including those of nested jaxprs."""
    for eqn in jaxpr.eqns:
        yield eqn
        for body in _bodies(eqn):
            yield from _equations(body)


def _bodies(eqn: core.JaxprEqn) -> list[core.Jaxpr]:
    """The nested jaxprs of an equation, such as the body of a loop or a branch."""
    leaves = jax.tree.leaves(eqn.params, is_leaf=lambda x: isinstance(x, core.Jaxpr | core.ClosedJaxpr))
    bodies = [leaf for leaf in leaves if isinstance(leaf, core.Jaxpr | core.ClosedJaxpr)]
    return [body.jaxpr if isinstance(body, core.ClosedJaxpr) else body for body in bodies]
