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
# # The chain pendulum: angles, or Cartesian coordinates with constraints
#
# Finzi, Wang and Wilson (2020, "Simplifying Hamiltonian and Lagrangian neural networks via explicit constraints")
# learned chains of point masses on rods. In angles the mass matrix couples the links; in Cartesian coordinates the
# kinetic energy is $\sum_i m_i |\dot x_i|^2 / 2$ with constant masses, and the rods are constraints
# $|x_i - x_{i-1}|^2 = l_i^2$, kept by Lagrange multipliers. This is their experiment, with one and with two links.

# %%
import sys
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import neural_lagrangian as nl
from neural_lagrangian import analysis, mechanics

jax.config.update("jax_enable_x64", True)  # truth and rollouts in double, training in single precision

# %% [markdown]
# ## Parameters
#
# `--smoke` checks that everything runs; `--full` repeats the training over three seeds, each with its own system.
# The source trained networks of three layers of 256 for 8000 steps.

# %%
SIZE = next((size for size in ("smoke", "full") if f"--{size}" in sys.argv), "demo")
SEEDS = range(3) if SIZE == "full" else range(1)
LINKS = (1, 2)
WIDTH, DEPTH = (8 if SIZE == "smoke" else 64), 2
CHUNKS, TESTS = (40, 4) if SIZE == "smoke" else (800, 100)
BATCH = min(200, CHUNKS)
STEP, SAMPLES = 0.03, 100  # seconds, and samples of 3 s
OUTPUT = (Path(__file__).parent if "__file__" in globals() else Path()) / "output"
OUTPUT.mkdir(exist_ok=True)
SOURCE = {  # relative errors that Finzi et al. printed
    "NODE": {1: 3.8e-4, 2: 6.5e-2},
    "Hamiltonian network": {1: 1.2e-4, 2: 1.9e-3},
    "mechanical LNN": {1: 2.5e-4, 2: 1.3e-3},
    "constrained LNN": {1: 5.2e-5, 2: 1.1e-4},
    "truth perturbed by 1e-4": {1: 3.6e-5, 2: 5.9e-5},
}
