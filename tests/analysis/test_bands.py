import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.analysis import calibrated_factor, coverage, ensemble_band

SHAPE = (200, 30, 2)


def ensemble(seed, members=8, common=0.0):
    """Members that err by themselves, and all together by `common`; and the truth."""
    rng = np.random.default_rng(seed)
    size = np.linspace(0, 1, SHAPE[1])[:, None]  # grows with time from nothing
    shared = common * rng.normal(size=SHAPE) * size
    return jnp.asarray(rng.normal(size=(members, *SHAPE)) * size + shared), jnp.zeros(SHAPE)


def test_mean_and_deviation_of_the_members():
    predictions, _ = ensemble(0)
    band = ensemble_band(predictions, 3.0)
    np.testing.assert_allclose(band.centre, np.mean(predictions, axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(band.half_width, 3 * np.std(predictions, axis=0, ddof=1), rtol=1e-4)


@pytest.mark.parametrize("common", [0.0, 2.0])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_calibrated_band_covers_other_motions_as_often_as_it_says(common, level):
    factor = calibrated_factor(*ensemble(0, common=common), level)
    predictions, truth = ensemble(1, common=common)
    assert float(coverage(ensemble_band(predictions, factor), truth)) == pytest.approx(level, abs=0.02)


def test_one_that_is_not_calibrated_does_not():
    """Negative control: members that err together are surer than they should be."""
    predictions, truth = ensemble(1, common=2.0)
    assert float(coverage(ensemble_band(predictions), truth)) < 0.75


@pytest.mark.bad_input
def test_bad_arguments_are_named():
    predictions, truth = ensemble(0)
    with pytest.raises(ValueError, match="`predictions` has 1 members; expected at least 2"):
        ensemble_band(predictions[:1])
    with pytest.raises(ValueError, match=r"`level` is 1\.0"):
        calibrated_factor(predictions, truth, 1.0)
