"""How sure the best family is: its constants, its bands, what it does not explain, and what to record next."""

from typing import NamedTuple

from ..candidates import Candidate, Contest, Trial
from ..preparation import Task
from .advice import uncertain, what_next
from .bands import Bands, bands_of
from .diagnosis import Diagnosis, diagnosed
from .undecided import undecided
from .whiteness import Whiteness, whiteness_of

MAX_RATIO = 1.2
"""A family is examined if its error is at most this factor larger than that of the best candidate."""


class Examination(NamedTuple):
    """What is known of a family.

    `whiteness`: the correlation of its errors in time. `next`: a sentence on the next recording. `certainty`: sentences
    on the constants. `likely`: friction that is likely, and that the recording does not decide.
    """

    candidate: Candidate
    bands: Bands
    diagnosis: Diagnosis
    whiteness: Whiteness
    certainty: list[str]
    next: str
    likely: tuple[str, ...] = ()

    def constants(self) -> list[list[str]]:
        """The constants as rows of text, the header first."""
        found = self.candidate.found
        assert found is not None
        rows = [["constant", "value", "standard error", "unit"]]
        for one in found.constants:
            name, _, value = one.text.partition(" = ")
            rows.append([name, value, f"{one.error:.2g}" if one.error > 0 else "fixed", one.unit])
        return rows

    @property
    def unexplained(self) -> list[str]:
        """Sentences on what the family does not explain."""
        return [*self.diagnosis.sentences, *self.whiteness.sentences]

    def facts(self) -> list[tuple[str, str]]:
        """The texts: pairs of a topic and a text."""
        return [
            ("certainty", "\n".join([*self.certainty, f"{self.bands}."])),
            ("unexplained", "\n".join(self.unexplained)),
            ("record next", self.next),
        ]


class Lacking(NamedTuple):
    """The force that the best family lacks, where a network is better. `name`: what the family is."""

    name: str
    diagnosis: Diagnosis

    @property
    def sentences(self) -> list[str]:
        """Sentences on what the missing force depends on."""
        return [f"What the {self.name} lacks, and the network describes:", *self.diagnosis.sentences]


def lacking(contest: Contest, task: Task) -> Lacking | None:
    """What the best family lacks, if a network is the best candidate; `None` if there is no family or no network."""
    best = next((one for one in contest.candidates if one.fit is not None), None)
    if best is None or best.fit is None or not contest.winner.is_network:
        return None
    trial = Trial.of(task)
    return None if trial is None else Lacking(best.name, diagnosed(best.fit, trial))


def examined(contest: Contest, task: Task) -> Examination | None:
    """Examine the best family; `None` if no family is as good as the best candidate."""
    best = next((one for one in contest.candidates if one.fit is not None and one.found is not None), None)
    trial = Trial.of(task)
    if best is None or trial is None or contest.ratio(best) > MAX_RATIO:
        return None
    assert best.fit is not None
    assert best.found is not None
    possible = undecided(best, contest, trial)
    likely = [one for one in possible if one.is_likely]
    certainty = uncertain(best.found.constants, task.columns.controls, possible)
    advice = what_next(best, task.columns.controls, likely)
    bands, diagnosis = bands_of(best.fit, task, trial), diagnosed(best.fit, trial, only_noise=best.leaves_noise)
    whiteness = whiteness_of(best.fit, trial, tuple(task.columns.coordinates))
    return Examination(best, bands, diagnosis, whiteness, certainty, advice, tuple(map(str, likely)))
