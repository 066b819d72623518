"""Resume a training from its newest checkpoint."""

from collections.abc import Sequence
from typing import Any

from .checkpoints import CheckpointError, Checkpoints
from .history import History
from .stages import Stage
from .state import TrainingState, begun_optimizer


def resumed(
    folder: Checkpoints, plan: dict[str, Any], start: TrainingState, stages: Sequence[Stage], members: int | None
) -> TrainingState:
    """The state of the newest checkpoint, or `start` if there is none."""

    def like(header: dict[str, Any]) -> Any:
        stored = header.get("plan")
        for name, value in plan.items():
            found = stored.get(name) if isinstance(stored, dict) else None
            if found != value:
                raise CheckpointError(
                    f"`resume` is {str(folder.folder)!r}, whose checkpoints are of another training: `{name}` was "
                    f"{found}, and is {value}; give the same arguments, or name another folder"
                )
        numbers = _checked(header.get("state"), folder, stages)
        stage = stages[numbers["stage"]] if numbers["done"] else None
        opt_state = None if stage is None else begun_optimizer(stage, start.params, members)
        history = History.empty(start.history.loss.dtype, numbers["step"], members)
        return start._replace(opt_state=opt_state, history=history).arrays

    found = folder.newest(like)
    if found is None:
        return start
    header, arrays = found
    numbers = {name: value for name, value in header["state"].items() if name in TrainingState._fields}
    return TrainingState(**arrays, **numbers)


def _checked(numbers: Any, folder: Checkpoints, stages: Sequence[Stage]) -> dict[str, int]:
    """The counters of a checkpoint; `CheckpointError` if the training cannot reach them."""
    counts = [stage.steps for stage in stages]
    try:
        step, stage, done, waited = (numbers[name] for name in ("step", "stage", "done", "waited"))
        most = numbers["max_steps"]
        whole = all(type(n) is int and n >= 0 for n in (step, stage, done, waited, 0 if most is None else most - 1))
        possible = whole and stage <= len(stages) and done <= step <= sum(counts[: stage + 1])
        if possible and done <= ([*counts, 0][stage]):
            return numbers
    except (KeyError, TypeError):
        pass
    raise CheckpointError(f"{folder.folder} has a checkpoint whose state is {numbers}; expected one of this training")
