"""Which phase a metric belongs to, where a framework says it by the metric's name: one rule for all integrations.

A key is split at "/". The first part that begins with one of these words says the phase; where none does, the framework's own
knowledge counts, else "train". The key stays as it was written.

    train  train, training
    valid  val, valid, validation, eval, evaluation
    test   test, testing

    val_loss · eval/loss · critic/Val-Loss/dataloader_idx_0 · loss/val      valid
    test_acc                                                                test
    train/valid_actions                                                     train: its first part says so
    loss · latest_loss · best_val_loss · learning_rate                      as the framework knows it

A word ends where the part does, or at anything but a letter. ("dev" is none of them: as often as the development set it is a
device, or a deviation.)
"""

import re
from collections.abc import Mapping
from typing import Final, TypeVar

from asynclog.state import Phase

_WORDS: Final[dict[str, Phase]] = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "eval": "valid",
    "evaluation": "valid",
    "test": "test",
    "testing": "test",
}
_SAID: Final = re.compile(rf"(?:^|/)({'|'.join(_WORDS)})(?![a-z])", re.IGNORECASE)

T = TypeVar("T")


def phase_of(key: str, default: Phase = "train") -> Phase:
    """The phase that a metric's name says; ``default`` if it says none."""
    said = _SAID.search(key)
    return default if said is None else _WORDS[said[1].lower()]


def by_phase(metrics: Mapping[str, T], default: Phase = "train") -> dict[Phase, dict[str, T]]:
    """The metrics of each phase that has any, in the order in which phases and metrics come."""
    found: dict[Phase, dict[str, T]] = {}
    for key, value in metrics.items():
        found.setdefault(phase_of(key, default), {})[key] = value
    return found
