"""Every row of the table of candidates has a title of its own, and the verdict says how the others differ."""

import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.identification import Family
from neural_lagrangian.identification.candidates.contest import FORMULA, NULL, Candidate, Contest
from neural_lagrangian.identification.candidates.fitted_families import check_names
from neural_lagrangian.identification.choices import NETWORK
from neural_lagrangian.identification.evidence.advice import weakest, what_next
from neural_lagrangian.identification.families.family import Units
from neural_lagrangian.identification.families.family_fit import FamilyFit
from neural_lagrangian.identification.families.friction import FRICTIONS
from neural_lagrangian.identification.families.known_families import families_for
from neural_lagrangian.identification.families.variant import Variant
from neural_lagrangian.identification.recordings.columns import Columns

USER = Family("Morse potential", lambda c, q, v: jnp.sum(v**2) / 2 - c["depth"] * jnp.sum(q**2), {"depth": 1.0})
RECORDINGS = {
    "an angle": ("a", "a"),
    "two angles": ("ab", "ab"),
    "three angles": ("abc", "abc"),
    "a length": ("x", ""),
    "two lengths": ("xy", ""),
    "a length and an angle": ("xa", "a"),
}
"""Names of the coordinates, and those of the angles."""

WINNERS = 4
"""Number of candidates of a family that are the best one in turn."""


def families_of(names, angles):
    columns = Columns("t", tuple(names), (), None, {}, tuple(angles))
    return [*families_for(columns), USER.on(columns, Units(1.0, 1.0), np.zeros(len(names)))]


def candidate(family, free, misfit=1.0, information=0.0):
    nothing = np.zeros(1)
    fit = FamilyFit(family, np.zeros(len(free)), free, nothing, nothing, nothing, nothing, 0)
    gains = len(free) - family.slices.drag.stop
    controls = tuple(f"u{k}" for k in range(gains // len(family.joint_names)))
    return Candidate(family.name, int(free.sum()), misfit, information, fit=fit, controls=controls)


def kinds_of(family, controls=0):
    """The unknowns that may be free together: each kind of friction with and without offsets, and what may be zero."""
    at, found = family.slices, []
    for kinds in FRICTIONS.values():
        for offset in (1.0, 0.0) if at.offset.stop > at.offset.start else (0.0,):
            free = np.ones(at.drag.stop + controls * len(family.joint_names))
            free[at.of_friction], free[at.offset] = 0.0, offset
            for kind in kinds:
                free[getattr(at, kind)] = 1.0
            found.append(free)
            for i in [i for i in (*family.optional, *at.gains(len(free))) if free[i]]:
                fewer = free.copy()
                fewer[i] = 0.0
                found.append(fewer)
    return list({tuple(free): free for free in found}.values())


def named_in(verdict):
    """The candidates that the sentences after the first name."""
    _, _, worse = verdict[-1].removesuffix(".").partition(": ")
    return [one.rpartition(" (")[0] for one in worse.split("; ")]


def differences(words):
    """What a sentence says that a candidate has more than the best one, and less."""
    more, _, less = words.removeprefix("with ").rpartition("without ")
    if not words.startswith("with "):
        return set(), set(less.split(", "))
    return (
        (set(more.removesuffix(" and ").split(", ")), set(less.split(", "))) if more else (set(less.split(", ")), set())
    )


def constants_in(title):
    """The friction and the sensor offsets in a title."""
    return {part.removeprefix("with ") for part in title.split(", ")}


@pytest.mark.parametrize("kind", RECORDINGS)
def test_the_kind_of_the_weakest_constant_is_its_own(kind):
    """Also in a family without offsets, whose friction begins where offsets would."""
    for family in families_of(*RECORDINGS[kind]):
        at, joints = family.slices, len(family.joint_names)
        count = at.drag.stop + joints
        for name, part in at._asdict().items():
            for i in range(*part.indices(count)):
                jacobian = np.eye(count)[None] * np.where(np.arange(count) == i, 1e-3, 1e3)
                fit = FamilyFit(
                    family,
                    np.ones(count),
                    np.ones(count),
                    np.ones(1),
                    np.zeros(1),
                    np.zeros((1, count, 1)),
                    jacobian,
                    count,
                )
                assert weakest(fit) == (name, [i])


@pytest.mark.parametrize("controls", [0, 1, 2])
@pytest.mark.parametrize("kind", RECORDINGS)
def test_a_title_says_which_constants_a_candidate_has(kind, controls):
    for family in families_of(*RECORDINGS[kind]):
        candidates = [candidate(family, free, misfit=1.0 + i) for i, free in enumerate(kinds_of(family, controls))]
        contest = Contest.of(candidates, [])
        assert len({one.title for one in contest.candidates}) == len(contest.candidates) == len(candidates)


@pytest.mark.parametrize("controls", [0, 2])
@pytest.mark.parametrize("kind", RECORDINGS)
def test_the_verdict_names_what_the_best_candidate_is_not(kind, controls):
    families = families_of(*RECORDINGS[kind])
    for family in families:
        rows = [candidate(family, free, misfit=9.0) for free in kinds_of(family, controls)]
        others = [candidate(one, np.ones(one.slices.drag.stop), misfit=9.0) for one in families if one is not family]
        others += [Candidate(name, 9, 9.0) for name in (NETWORK, FORMULA, NULL)]
        for i in np.linspace(0, len(rows) - 1, WINNERS).astype(int):
            row = rows[i]
            contest = Contest((row._replace(misfit=1.0), *rows[:i], *rows[i + 1 :], *others), ())
            named = named_in(contest.verdict())
            assert len(set(named)) == len(named) == len(contest.candidates) - 1
            assert not [words for words in named if not words or words in row.title]
            for one, words in zip(contest.candidates[1 : len(rows)], named, strict=False):
                more, less = differences(words)
                assert not more & constants_in(row.title)
                assert not less & constants_in(one.title)


def test_the_sentences_of_a_double_pendulum():
    """Candidates that once had the same title."""
    family = families_of("ab", "ab")[0]
    at = family.slices
    with_offsets = np.ones(at.drag.stop)
    with_offsets[at.of_friction] = 0.0
    without = with_offsets.copy()
    without[at.offset] = 0.0
    dry = with_offsets.copy()
    dry[at.linear], dry[at.dry.start + 1] = 1.0, 1.0
    rows = [
        candidate(family, without, 1.0, 0.0),
        candidate(family, with_offsets, 1.0, 9.0),
        candidate(family, dry, 4.0),
    ]
    contest = Contest.of(rows, [])
    name = "rigid chain of 2 bodies, absolute angles"
    assert [row[0] for row in contest.table()[1:]] == [
        f"{name}, no friction",
        f"{name}, no friction, with sensor offsets",
        f"{name}, linear friction at every joint, dry friction at joint 2, with sensor offsets",
    ]
    assert contest.verdict() == [
        f"Best description of the motion: {name}, no friction (4 constants).",
        "Worse on the validation set: "
        "with linear friction at every joint, dry friction at joint 2, sensor offsets (by 100%).",
        "No better: with sensor offsets.",
    ]
    lost = Contest((rows[2], rows[0]), ()).verdict()[1]
    assert lost == "No better: without friction, sensor offsets."


def test_what_a_cart_lacks_is_said():
    cart = families_of("xa", "a")[0]
    full = np.ones(cart.slices.drag.stop)
    full[cart.slices.of_friction] = 0.0
    free_cart = full.copy()
    free_cart[[3, 4]] = 0.0
    best, other = candidate(cart, free_cart), candidate(cart, full, 2.0)
    assert best.title == "cart with a pendulum, no friction, with a sensor offset, without k and f"
    assert other.unlike(best) == "with k, f"
    assert best.unlike(other) == "without k, f"


def test_a_network_without_mechanics_is_no_network_of_a_lagrangian():
    contest = Contest((Candidate(NULL, 9, 1.0, is_mechanical=False), Candidate(NETWORK, 9, 4.0, is_network=True)), ())
    assert contest.verdict()[-1] == "Worse on the validation set: network with mechanics (by 100%)."


def test_of_two_fits_of_the_same_constants_the_more_probable_one_is_kept():
    """As when friction of one kind turns out to be zero. Fits of other constants stay, however close they are."""
    family = families_of("ab", "ab")[0]
    at, free = family.slices, np.ones(family.slices.drag.stop)
    free[at.of_friction] = 0.0
    free[at.linear.start] = 1.0
    elsewhere = free.copy()
    elsewhere[at.linear] = elsewhere[at.linear][::-1]
    rows = [
        candidate(family, free, 2.0, 5.0),
        candidate(family, free, 1.0, 0.0),
        candidate(family, elsewhere, 1.0, 0.1),
    ]
    found = [(one.variant, one.misfit) for one in Contest.of(rows, []).candidates]
    assert found == [(Variant.of(family, free), 1.0), (Variant.of(family, elsewhere), 1.0)]


def test_of_two_equal_families_the_first_is_kept():
    """A cubic force that is zero is none."""
    linear, cubic, _ = families_of("x", "")
    rows = []
    for family in (linear, cubic):
        free = np.ones(family.slices.drag.stop)
        free[family.slices.of_friction] = 0.0
        free[[i for i, (name, _) in enumerate(family.labels) if name == "d_1"]] = 0.0
        rows.append(candidate(family, free))
    assert [one.name for one in Contest.of(rows, []).candidates] == ["mass on a linear spring"]
    assert len(Contest.of([rows[0], rows[1]._replace(misfit=1.1)], []).candidates) == 2


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["rigid chain of 1 body", NETWORK, FORMULA, NULL, "twice"])
def test_a_family_of_the_user_has_a_name_of_its_own(name):
    columns = Columns("t", ("a",), (), None, {}, ("a",))
    own = [Family(one, USER.lagrangian, USER.start) for one in (name, "twice")]
    own = [one.on(columns, Units(1.0, 1.0), np.zeros(1)) for one in own]
    with pytest.raises(ValueError, match=rf"`candidates` has a `Family` named '{name}', .* give it another `name`"):
        check_names([*families_for(columns), *own])


def test_a_constant_of_the_user_may_be_named_like_an_offset():
    """It is a constant of the Lagrangian, no sensor offset: advice on the next recording names the friction only."""
    own = Family(
        "wall", lambda c, q, v: jnp.sum(v**2) / 2 - jnp.sum((q - c["offset_of_wall"]) ** 2), {"offset_of_wall": 1.0}
    )
    family = own.on(Columns("t", ("x",), (), None, {}, ()), Units(1.0, 1.0), np.zeros(1))
    free, x = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.01, 0.0, 0.0])
    jacobian = np.random.default_rng(0).normal(size=(1, 8, 4)) * [1e3, 1.0, 1.0, 1.0]
    fit = FamilyFit(family, x, free, np.ones(2), np.zeros((1, 2)), np.ones((1, 4, 2)), jacobian, 8)
    said = what_next(Candidate(family.name, 2, 1.0, fit=fit))
    assert "(linear friction at x)" in said
    assert not Variant.of(family, free).offsets
