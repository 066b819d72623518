"""Driven systems of the tests, with linearisations derived by hand."""

import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import Cholesky, ControlForce, acceleration
from neural_lagrangian.systems import CartPole, DoublePendulum

from ..helpers import DTYPE

M, m, L, G = 1.0, 0.5, 0.8, 9.81
UPRIGHT = np.array([0.0, np.pi, 0.0, 0.0])
STEPS = {"solver": RK4(), "stepsize_controller": nl.StepsPerSample(1), "mass_solve": Cholesky(), "dof": 2}


AT_CART = ((1.0,), (0.0,))
"""The matrix of a motor on the cart."""


def cart_pole(matrix=AT_CART, **changed):
    """A cart-pole with a motor on the cart."""
    cart = CartPole(M, m, L, G)
    return nl.NeuralLagrangian.from_lagrangian(cart.lagrangian, force=ControlForce(matrix), **STEPS | changed)


def cart_pole_upright():
    """A and B of the cart-pole, upright: x'' = (u + m g d) / M, d'' = (u + (M + m) g d) / (M l), theta = pi + d."""
    A, B = np.zeros((4, 4)), np.zeros((4, 1))
    A[:2, 2:] = np.eye(2)
    A[2:, 1] = m * G / M, (M + m) * G / (M * L)
    B[2:, 0] = 1 / M, 1 / (M * L)
    return A, B


def accelerations(model, matrix=None):
    """What a neural ODE knows of a driven model: its accelerations."""

    def network(x):
        Q, q, v = jnp.split(x, 3)
        return acceleration(model.lagrangian, 0.0, q, v, force=lambda t, q, v: Q, mass_solve=Cholesky())

    return nl.NeuralODE(network, RK4(), stepsize_controller=nl.StepsPerSample(1), dof=2, control=ControlForce(matrix))


def arm(force=None):
    """Two links with a motor at each."""
    links = DoublePendulum((1.0, 0.6), (0.4, 0.3))
    force = ControlForce() if force is None else force
    return nl.NeuralLagrangian.from_lagrangian(links.lagrangian, force=force, **STEPS)


def mass(**options):
    """One kilogram that a force pushes."""
    options = {"dof": 1, "stepsize_controller": nl.StepsPerSample(1)} | options
    return nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, force=ControlForce(), **options)


def array(*values):
    return jnp.asarray(values, DTYPE)
