"""One Runge-Kutta step in C."""

import numpy as np

from .scalar_text import c_type, number


def step(
    name: str, kind: np.dtype, dof: int, controls: int, is_second_order: bool, uses_time: bool
) -> tuple[str, str, str]:
    """Meaning, declaration and definition of one step of the classical Runge-Kutta method of order 4."""
    t, n = c_type(kind), dof
    zero, half, one, three, six = (number(value, kind) for value in ("0.0", "0.5", "1.0", "3.0", "6.0"))
    arguments = [f"{t} t"] * uses_time + [f"{t} h", f"{t} q[{n}]", f"{t} v[{n}]"]
    arguments += [f"const {t} u[{controls}]"] * (controls > 0)
    declaration = f"void {name}_step({', '.join(arguments)})"
    inputs = ["t + part[stage] * h"] * uses_time + ["q_now", "v_now"] + ["u"] * (controls > 0)
    if is_second_order:
        rate = [f"for (int i = 0; i < {n}; i++)", "    dq[i] = v_now[i];"]
        rate += [f"{name}_acceleration({', '.join([*inputs, 'dv'])});"]
    else:
        rate = [f"{name}_rate({', '.join([*inputs, 'dq', 'dv'])});"]
    body = f"""{declaration}
{{
    static const {t} part[4] = {{{zero}, {half}, {half}, {one}}};
    static const {t} weight[4] = {{{one} / {six}, {one} / {three}, {one} / {three}, {one} / {six}}};
    {t} dq[{n}] = {{{zero}}}, dv[{n}] = {{{zero}}}, mean_dq[{n}] = {{{zero}}}, mean_dv[{n}] = {{{zero}}};
    for (int stage = 0; stage < 4; stage++) {{
        {t} q_now[{n}], v_now[{n}];
        for (int i = 0; i < {n}; i++) {{
            q_now[i] = q[i] + part[stage] * h * dq[i];
            v_now[i] = v[i] + part[stage] * h * dv[i];
        }}
        {(chr(10) + " " * 8).join(rate)}
        for (int i = 0; i < {n}; i++) {{
            mean_dq[i] += weight[stage] * dq[i];
            mean_dv[i] += weight[stage] * dv[i];
        }}
    }}
    for (int i = 0; i < {n}; i++) {{
        q[i] += h * mean_dq[i];
        v[i] += h * mean_dv[i];
    }}
}}"""
    meaning = "One step of length h of the classical Runge-Kutta method of order 4: (q, v) are replaced."
    return meaning, declaration, body
