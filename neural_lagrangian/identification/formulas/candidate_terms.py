"""The candidate terms of a formula. They depend on which coordinates are angles."""

import keyword
from typing import Any

from ...discovery import Library
from ..recordings import Columns

MAX_TERMS = 100
"""Largest number of candidate terms. Most recordings do not hold enough information for more."""


def symbols_for(columns: Columns) -> list[str] | None:
    """Names of the coordinates in a formula; `None`, for `q0`, `q1`, ..., if one is no Python identifier."""
    known = all(name.isidentifier() and not keyword.iskeyword(name) for name in columns.coordinates)
    return list(columns.coordinates) if known else None


def library_for(columns: Columns) -> Library:
    """Candidate terms of a formula for these coordinates.

    They are sines and cosines of angles and powers of other coordinates, times squares and products of velocities. The
    library takes the highest order that has at most `MAX_TERMS` terms. Three or more angles get the terms of a chain.
    """
    named: dict[str, Any] = {"names": symbols_for(columns)}
    angles = list(columns.periodic)
    others = [i for i in range(columns.dof) if i not in angles]
    velocities = Library.velocities(columns.dof, 2, **named)

    def coordinates(order: int, degree: int) -> Library:
        parts = [Library.waves(columns.dof, order, angles, **named)] if angles else []
        parts += [Library.coordinates(columns.dof, degree, others, **named)] if others else []
        return parts[0] * parts[1] if len(parts) == 2 else parts[0]

    if len(angles) > 2:
        return _of_a_chain(columns.dof, angles, others, named)
    for order, degree in ((2, 4), (2, 3), (2, 2), (1, 2)):
        library = coordinates(order, degree) * velocities
        if len(library) <= MAX_TERMS:
            return library
    return coordinates(1, 2) + velocities


def _of_a_chain(dof: int, angles: list[int], others: list[int], named: dict[str, Any]) -> Library:
    """Candidate terms of a chain of bodies, on a support that may slide. Angles are from a fixed direction.

    - squares and products of the velocities;
    - sines and cosines of each angle, and powers of the other coordinates;
    - the product of the velocities of two angles, times sines and cosines of the sum and difference of these angles;
    - the product of the velocities of an angle and another coordinate, times the sine or cosine of the angle.

    The Lagrangian of such a chain has no other terms.
    """
    library = Library.velocities(dof, 2, **named) + Library.waves(dof, 1, angles, **named)
    if others:
        library += Library.coordinates(dof, 2, others, **named)
    for i in angles:
        for j in [k for k in angles if k > i]:
            waves = Library.waves(dof, 2, [i, j], **named)
            mixed = [k for k, name in enumerate(waves.names) if " - " in name or " + " in name]
            library += waves.select(mixed) * product_of_velocities(dof, i, j, named)
        for j in others:
            library += Library.waves(dof, 1, [i], **named) * product_of_velocities(dof, i, j, named)
    return library


def product_of_velocities(dof: int, i: int, j: int, named: dict[str, Any]) -> Library:
    """The product of the velocities of coordinates `i` and `j`, as a library of one term."""
    squares = Library.velocities(dof, 2, [i, j], **named)
    return squares.select([k for k, name in enumerate(squares.names) if " " in name])
