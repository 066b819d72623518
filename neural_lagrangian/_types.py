"""Type aliases for arrays and callables. `dof` is the number of degrees of freedom n. A state is [q, v], length 2 n."""

from collections.abc import Callable
from typing import TypeAlias

from jaxtyping import Array, Bool, Complex, Float

Scalar: TypeAlias = Float[Array, ""]
Coordinates: TypeAlias = Float[Array, " dof"]
MassMatrix: TypeAlias = Float[Array, "dof dof"]
ComplexVector: TypeAlias = Complex[Array, " dof"]
ComplexMatrix: TypeAlias = Complex[Array, "dof dof"]
State: TypeAlias = Float[Array, " two_dof"]
Times: TypeAlias = Float[Array, " time"]
Trajectory: TypeAlias = Float[Array, "time two_dof"]
Flag: TypeAlias = Bool[Array, ""]

Lagrangian: TypeAlias = Callable[..., Scalar]
"""Any callable `lagrangian(t, q, v) -> scalar`."""

Force: TypeAlias = Callable[..., Coordinates]
"""Any callable `force(t, q, v) -> (dof,)`, the generalised force Q."""

Network: TypeAlias = Callable[..., Array]
"""Any callable from one array, such as a state [q, v], to an array."""

ScalarFunction: TypeAlias = Callable[..., Scalar]
"""A scalar function, such as a formula with coefficients. The class that uses it documents its arguments."""

VectorFunction: TypeAlias = Callable[..., Coordinates]
"""A function of time, coordinates and velocities that returns one value for each coordinate, shape `(dof,)`."""

Signal: TypeAlias = Callable[..., Array]
"""A function of time alone, such as a control u(t)."""
