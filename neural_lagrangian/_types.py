"""Array aliases. `dof` is the number of degrees of freedom n; a state is [q, v] of length 2 n."""

from collections.abc import Callable
from typing import TypeAlias

from jaxtyping import Array, Bool, Complex, Float

Scalar: TypeAlias = Float[Array, ""]
Coordinates: TypeAlias = Float[Array, " dof"]
MassMatrix: TypeAlias = Float[Array, "dof dof"]
ComplexVector: TypeAlias = Complex[Array, " dof"]
State: TypeAlias = Float[Array, " two_dof"]
Times: TypeAlias = Float[Array, " time"]
Trajectory: TypeAlias = Float[Array, "time two_dof"]
Flag: TypeAlias = Bool[Array, ""]

Lagrangian: TypeAlias = Callable[..., Scalar]
"""Any callable `lagrangian(t, q, v) -> scalar`."""

Force: TypeAlias = Callable[..., Coordinates]
"""Any callable `force(t, q, v) -> (dof,)`, the generalised force Q."""

Network: TypeAlias = Callable[..., Array]
"""Any callable from an array, such as a state, to an array."""

ScalarFunction: TypeAlias = Callable[..., Scalar]
"""A scalar function of time, coordinates and velocities, and of whatever its owner says besides."""

VectorFunction: TypeAlias = Callable[..., Coordinates]
"""A function of time, coordinates and velocities with one value for each coordinate."""

Signal: TypeAlias = Callable[..., Array]
"""A function of time alone, such as a control."""
