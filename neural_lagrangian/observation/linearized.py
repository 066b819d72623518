"""An observed model as functions of vectors: the next state, and the errors of observations over their noise."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike

from ..integrators import with_integration, without_integration
from ..models import is_driven, takes_control, with_held_control
from ..networks import Frozen, unfrozen
from ..numerics import trained_and_rest
from .likelihood import known, normalized
from .observed import Observed


def with_known_noise(model: Observed) -> Observed:
    """The model with all noise frozen."""
    return eqx.tree_at(
        lambda m: [sensor.log_noise for sensor in m.sensors.values()],
        model,
        replace_fn=lambda noise: noise if isinstance(noise, Frozen) else Frozen(noise),
        is_leaf=lambda node: isinstance(node, Frozen),
    )


def trained_numbers(model: Observed) -> Array:
    """All trained numbers of a model but the noise, shape `(parameter,)`."""
    return ravel_pytree(trained_and_rest(without_integration(with_known_noise(model)))[0])[0]


def with_numbers(model: Observed, numbers: Array) -> Observed:
    """The model with other values of its `trained_numbers`; unchanged if there are none."""
    if len(numbers) == 0:
        return unfrozen(model)
    model = with_known_noise(model)
    trained, rest = trained_and_rest(without_integration(model))
    _, unravel = ravel_pytree(trained)
    return unfrozen(with_integration(eqx.combine(unravel(numbers), rest), model))


def driven_by(model: Observed, control: ArrayLike | None) -> Observed:
    """The model driven by a control that is held, shape `(m,)`.

    **Raises:** `ValueError` if there is a control and the model takes none, or it needs one.
    """
    if control is None and not is_driven(model):
        raise ValueError("the control is None, and `model` has a ControlForce without a control; expected a control")
    if control is not None and not takes_control(model):
        raise ValueError("a control is given, and `model` has no ControlForce; expected None, or a model with one")
    return model if control is None else with_held_control(model, jnp.asarray(control))


def innovation(
    model: Observed, t: Array, y: Array, observations: Mapping[str, Array], before: Observed | None = None
) -> tuple[Array, Array]:
    """Observed minus expected values over their noise, zero where missing, and where they are present: `(column,)`.

    Late sensors see the motion of `before`, the model under the control until `t` (`None`: the same model).
    """
    errors, presence = [], []
    for name, sensor in model.sensors.items():
        seen = model if before is None or not sensor.is_late else before
        expected = sensor(seen.model, t, y)
        value, present = known(name, observations, expected.shape)
        errors.append(normalized(model, name, jnp.where(present, value - expected, 0)))
        presence.append(present)
    return jnp.concatenate(errors), jnp.concatenate(presence)


def with_jacobian(function, x: Array) -> tuple[Array, Array]:
    """Value and Jacobian of a function of a vector, in forward mode."""

    def twice(x: Array) -> tuple[Array, Array]:
        value = function(x)
        return value, value

    J, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, J
