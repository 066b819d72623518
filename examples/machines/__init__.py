"""Machines with one motor, simulated by MuJoCo with what real ones have: delay, dry friction, coarse encoders."""

from dataclasses import dataclass

import numpy as np


def _mjcf(bodies, motor):
    """A MuJoCo model of some bodies, with one motor at a joint."""
    return f"""
<mujoco>
  <option timestep="0.001" gravity="0 0 -9.81" integrator="RK4"><flag contact="disable"/></option>
  <worldbody>{bodies}</worldbody>
  <actuator><motor joint="{motor}"/></actuator>
</mujoco>
"""


CART_POLE = _mjcf(
    """
    <body>
      <joint name="cart" type="slide" axis="1 0 0" damping="0.4" frictionloss="0.15"/>
      <geom type="box" size="0.1 0.05 0.05" mass="0.8"/>
      <body>
        <joint name="pole" type="hinge" axis="0 -1 0" damping="0.003" frictionloss="0.002"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.6" size="0.01" mass="0.2"/>
      </body>
    </body>
""",
    motor="cart",
)

PENDUBOT = _mjcf(
    """
    <body>
      <joint name="shoulder" type="hinge" axis="0 -1 0" damping="0.01" frictionloss="0.01"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.25" size="0.01" mass="0.3"/>
      <body pos="0 0 -0.25">
        <joint name="elbow" type="hinge" axis="0 -1 0" damping="0.001" frictionloss="0.001"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.35" size="0.01" mass="0.2"/>
      </body>
    </body>
""",
    motor="shoulder",
)

ROTARY_PENDULUM = _mjcf(
    """
    <body>
      <joint name="arm" type="hinge" axis="0 0 1" damping="0.002" frictionloss="0.004"/>
      <geom type="capsule" fromto="0 0 0 0.2 0 0" size="0.01" mass="0.2"/>
      <body pos="0.2 0 0">
        <joint name="pendulum" type="hinge" axis="1 0 0" damping="0.0003" frictionloss="0.0003"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.01" mass="0.1"/>
      </body>
    </body>
""",
    motor="arm",
)


@dataclass(frozen=True)
class Machine:
    """A machine behind its encoders and its motor.

    - `mjcf`: the MuJoCo model; one motor, at the first coordinate.
    - `sample`: seconds between two commands. `delay`: seconds until a command acts, shorter than `sample`.
    - `resolution`: smallest step of each encoder. `noise`: standard deviation of each, before rounding.
    - `limit`: largest force of the motor.
    - `energy_unit`: joules, such that the inertias of the machine are of order one in this unit. Models of it have
      energies in this unit, and so torques too; controls stay in newtons or newton metres.
    """

    mjcf: str
    sample: float = 0.02
    delay: float = 0.01
    resolution: tuple[float, float] = (1e-4, 2 * np.pi / 4096)
    noise: tuple[float, float] = (1e-4, 5e-4)
    limit: float = 10.0
    energy_unit: float = 1.0

    def moving(self, start, seconds, seed, *, measure_every=0.01):
        """A motion as a generator: it yields `(t, q)`, the encoders' angles, every `sample`, and is sent the force.

        **Returns:** at its end, times, measured coordinates, commanded forces (held until the next), and true states,
        every `measure_every` seconds.
        """
        import mujoco

        model = mujoco.MjModel.from_xml_string(self.mjcf)
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = np.split(np.asarray(start, float), 2)
        draw = np.random.default_rng(seed)
        h = model.opt.timestep
        per_sample, per_row, late = (round(x / h) for x in (self.sample, measure_every, self.delay))
        rows, u, queue = [], 0.0, {}
        for k in range(round(seconds / h) + 1):
            if k % per_row == 0:
                q = data.qpos + draw.normal(size=2) * self.noise
                q = np.round(q / self.resolution) * self.resolution
                if k % per_sample == 0:
                    force = yield k * h, q
                    u = float(np.clip(force, -self.limit, self.limit))
                    queue[k + late] = u
                rows.append([k * h, *q, u, *data.qpos, *data.qvel])
            data.ctrl[0] = queue.pop(k, data.ctrl[0])
            mujoco.mj_step(model, data)
        ts, qs, us, ys = np.split(np.array(rows), [1, 3, 4], axis=1)
        return ts[:, 0], qs, us, ys

    def run(self, command, start, seconds, seed, *, measure_every=0.01):
        """Move for some seconds: `command(t, q)` gets the encoders' angles every `sample`, and returns the force.

        **Returns:** what `moving` returns at its end.
        """
        motion = self.moving(start, seconds, seed, measure_every=measure_every)
        reading = next(motion)
        while True:
            try:
                reading = motion.send(command(*reading))
            except StopIteration as end:
                return end.value

    def friction(self):
        """MuJoCo's viscous damping and dry friction of both joints."""
        import mujoco

        model = mujoco.MjModel.from_xml_string(self.mjcf)
        return model.dof_damping.copy(), model.dof_frictionloss.copy()

    def inertia(self, q):
        """MuJoCo's mass matrix, and the generalised gravity, at the coordinates `q`."""
        import mujoco

        model = mujoco.MjModel.from_xml_string(self.mjcf)
        data = mujoco.MjData(model)
        data.qpos[:] = q
        mujoco.mj_forward(model, data)
        M = np.zeros((2, 2))
        mujoco.mj_fullM(model, data, M)
        return M, data.qfrc_bias.copy()


ENCODER = 2 * np.pi / 4096
"""Smallest step of an encoder with 4096 steps a turn, in radians."""

WITH_ENCODERS = {
    "sample": 0.01,
    "delay": 0.005,
    "resolution": (ENCODER, ENCODER),
    "noise": (5e-4, 5e-4),
    "energy_unit": 0.01,
}
"""A small machine with such an encoder at both joints."""

MACHINES = {
    "cart_pole": Machine(CART_POLE),
    "pendubot": Machine(PENDUBOT, limit=3.0, **WITH_ENCODERS),
    "rotary_pendulum": Machine(ROTARY_PENDULUM, limit=0.4, **WITH_ENCODERS),
}
