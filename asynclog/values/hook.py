"""What happens in a training, for sinks that act on it. The names, and the order in which they come, are Composer's."""

from dataclasses import dataclass
from typing import ClassVar, Final

from asynclog.normal.layouts import Fault
from asynclog.values.value import Value

SELDOM: Final[tuple[str, ...]] = (
    "init",
    "before_load",
    "after_load",
    "fit_start",
    "iteration_start",
    "epoch_start",
    "epoch_end",
    "epoch_checkpoint",
    "iteration_end",
    "iteration_checkpoint",
    "fit_end",
    "eval_before_all",
    "eval_start",
    "eval_end",
    "eval_after_all",
    "eval_standalone_start",
    "eval_standalone_end",
    "predict_start",
    "predict_end",
)
"""Hooks of a run or an epoch: a journal keeps them whoever asks."""
OFTEN: Final[tuple[str, ...]] = (
    "before_dataloader",
    "after_dataloader",
    "batch_start",
    "before_train_batch",
    "before_forward",
    "after_forward",
    "before_loss",
    "after_loss",
    "before_backward",
    "after_backward",
    "after_train_batch",
    "batch_end",
    "batch_checkpoint",
    "eval_batch_start",
    "eval_before_forward",
    "eval_after_forward",
    "eval_batch_end",
    "predict_batch_start",
    "predict_before_forward",
    "predict_after_forward",
    "predict_batch_end",
)
"""Hooks of a batch: recorded only where a sink wants them."""
HOOKS: Final = (*SELDOM, *OFTEN)


@dataclass(frozen=True, eq=False)
class Hook(Value):
    """That something happens: name is one of HOOKS, or any other."""

    kind: ClassVar[str] = "hook"
    name: str

    def fault(self) -> Fault | None:
        return None if self.name else Fault("a name", "an empty str")
