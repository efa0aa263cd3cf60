"""Precision and recall of a binary classifier at even thresholds, from a table of its scores.

Source of the form: tensorboard.plugins.pr_curve.summary, a tensor of (6, thresholds): true positives, false positives, true
negatives, false negatives, precision, recall. An example is called positive where its score is ≥ the threshold.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidValue
from asynclog.sinks.tensorboard.protobuf import number
from asynclog.sinks.tensorboard.summaries import Shown, numbers
from asynclog.values import Table

_THRESHOLDS: Final = 201
_LEAST: Final = 1e-7


def pr_curve(table: Table, columns: Sequence[str]) -> Shown:
    """columns: of the labels (0 or 1, or bool), of the scores in [0, 1], and of weights if there are any. Rows without a label
    or score are left out. Raises InvalidValue where the table has no such columns."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InvalidValue(kind="table", expected=f"a column {missing[0]!r} for its PR curve", got=", ".join(table.columns))
    held = [_numbers(table, name) for name in columns]
    there = np.logical_and.reduce([np.isfinite(one) for one in held])
    labels, scores, *weights = (one[there] for one in held)
    return Shown("pr_curve", "pr_curves", numbers(curve(labels > 0, scores, *weights)), content=number(2, _THRESHOLDS))


def _numbers(table: Table, name: str) -> NDArray[np.float64]:
    cells = [np.nan if cell is None else cell for cell in table.column(name)]
    if not all(isinstance(cell, int | float) for cell in cells):
        raise InvalidValue(kind="table", expected=f"numbers in the column {name!r} of a PR curve", got="other cells")
    return np.array(cells, np.float64)


def curve(labels: NDArray[np.bool_], scores: NDArray[np.float64], weights: "NDArray[Any] | None" = None) -> NDArray[np.float32]:
    """(6, thresholds) float32."""
    places = np.floor(np.clip(scores, 0, 1) * (_THRESHOLDS - 1)).astype(np.intp)
    share = np.ones(len(scores)) if weights is None else weights
    right, wrong = (np.bincount(places, share * one, minlength=_THRESHOLDS) for one in (labels, ~labels))
    # A threshold calls positive what lies in its place and above.
    true, false = (np.cumsum(one[::-1])[::-1] for one in (right, wrong))
    found, missed = true / np.maximum(true + false, _LEAST), true / max(float(right.sum()), _LEAST)
    return np.stack([true, false, wrong.sum() - false, right.sum() - true, found, missed]).astype(np.float32)
