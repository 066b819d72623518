"""One fit of a small recording, which the tests of all commands share."""

from contextlib import contextmanager

import pytest

from neural_lagrangian.command_line import fit, main
from neural_lagrangian.identification import identify, learning
from neural_lagrangian.identification.formulas import refinement

from ..identification.recordings import write

FIT = ("fit", "spring.csv", "--dof", "1", "--steps", "60")


@contextmanager
def in_folder(folder):
    """The folder is the current one; what is compiled is made little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(learning, "STAGE_HORIZONS", (1.0, 1.0))
        patch.setattr(refinement, "POLISH_STEPS", 10)
        yield patch


def found_by(folder, arguments):
    """What `fit` with these arguments finds in a folder."""
    found = []
    with in_folder(folder) as patch:
        patch.setattr(fit, "identify", lambda *args, **options: found.append(identify(*args, **options)) or found[0])
        assert main([*arguments]) == 0
    return found[0]


@pytest.fixture(scope="session")
def fitted(tmp_path_factory):
    """A folder with a recording and a fit of it, and what was found."""
    folder = tmp_path_factory.mktemp("fit")
    write(folder / "spring.csv", count=300, phases=(0.0,))
    return folder, found_by(folder, FIT)


@pytest.fixture
def place(fitted):
    """The folder of the fit, which is the current one."""
    with in_folder(fitted[0]):
        yield fitted[0]


@pytest.fixture
def found(fitted):
    return fitted[1]
