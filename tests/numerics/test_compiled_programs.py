"""Compiled programs are forgotten before they take all memory maps of the process."""

import jax
import jax.numpy as jnp
import pytest

from neural_lagrangian.numerics import compiled_programs, make_room_for_programs


@pytest.mark.parametrize(
    ("limit", "forgotten"), [("20", True), ("1000000000", False), ("no number", False), (None, False)]
)
def test_programs_are_forgotten_once_they_take_half_of_the_maps(limit, forgotten, tmp_path, monkeypatch):
    maps, allowed = tmp_path / "maps", tmp_path / "limit"
    maps.write_text("a library\n" * 11)
    if limit is not None:
        allowed.write_text(limit)
    monkeypatch.setattr(compiled_programs, "MAPS", maps)
    monkeypatch.setattr(compiled_programs, "LIMIT", allowed)
    traced = []

    @jax.jit
    def square(x):
        traced.append(x)
        return x**2

    square(jnp.ones(2))
    make_room_for_programs()
    assert square(jnp.ones(2)).tolist() == [1.0, 1.0]
    assert len(traced) == (2 if forgotten else 1)


@pytest.mark.skipif(not compiled_programs.MAPS.exists(), reason="this system tells no memory maps")
def test_the_maps_of_this_process_are_counted(monkeypatch):
    cleared = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(1))
    monkeypatch.setattr(compiled_programs, "MAX_SHARE", 0.0)
    make_room_for_programs()
    monkeypatch.setattr(compiled_programs, "MAX_SHARE", 1.0)
    make_room_for_programs()
    assert cleared == [1]
