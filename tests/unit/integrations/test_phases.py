"""The phase that a metric's name says."""

import pytest

from asynclog.integrations.phases import by_phase, phase_of
from asynclog.state import Phase


@pytest.mark.parametrize(
    ("key", "phase"),
    [
        ("loss", None),
        ("train_loss", "train"),
        ("Training/Loss", "train"),
        ("val_loss", "valid"),
        ("valid-loss", "valid"),
        ("validation.loss", "valid"),
        ("Val Loss", "valid"),
        ("val", "valid"),
        ("val2_loss", "valid"),
        ("eval/loss", "valid"),
        ("evaluation_f1", "valid"),
        ("eval_samples_per_second", "valid"),
        ("val_loss_epoch/dataloader_idx_1", "valid"),
        ("critic/val_loss", "valid"),
        ("Loss/test", "test"),
        ("test_acc", "test"),
        ("testing/acc", "test"),
        ("train/valid_actions", "train"),
        ("loss/val/test", "valid"),
        ("latest_loss", None),
        ("contest/score", None),
        ("value_loss", None),
        ("evaluator/queue", None),
        ("trainer/global_step", None),
        ("best_val_loss", None),
        ("dev_loss", None),
        ("std_dev", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("default", ["train", "test"])
def test_the_first_part_that_begins_with_a_word_for_a_phase_says_it(key: str, phase: Phase | None, default: Phase) -> None:
    assert phase_of(key, default) == (phase or default)


def test_metrics_are_split_by_phase_and_keep_their_names_and_order() -> None:
    metrics = {"loss": 1.0, "val_loss": 2.0, "lr": 3.0, "test/acc": 4.0, "val_acc": 5.0}
    found = by_phase(metrics)
    assert [(phase, list(group)) for phase, group in found.items()] == [
        ("train", ["loss", "lr"]),
        ("valid", ["val_loss", "val_acc"]),
        ("test", ["test/acc"]),
    ]
    assert {key: value for group in found.values() for key, value in group.items()} == metrics
    assert by_phase({}) == {}
