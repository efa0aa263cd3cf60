"""The exam fails those who should fail."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

import asynclog as al
from asynclog.sink import Event
from asynclog.sinks.naming import flat_name
from asynclog.testing import batch_of
from tests.integration.destinations.exam import DestinationTests, Shown
from tests.integration.destinations.forms import form
from tests.integration.destinations.recording import values


class Exam(DestinationTests):
    shows: ClassVar = dict.fromkeys(("scalar", "string", "image", "audio", "mesh", "table", "histogram"), "shown")
    tolerance: ClassVar = {"audio": 0.01}


class Coarse(Exam):
    number = np.float32
    dedupes = False


EVENTS = list(
    batch_of([
        (al.State(0), {"loss": 0.1, "other": 3, "note": "a"}),
        (al.State(1, "valid"), {"loss": 0.2, **{kind: one for kind, one in values(1).items() if kind in Exam.shows}}),
        (al.State(1), {"loss": float("nan")}),
    ])
)  # fmt: skip


def shown(event: Event) -> Shown:
    name = flat_name(event.namespace, event.key)
    return Shown(event.kind, event.phase, name, event.step, form(event.kind, event.value), event.time)


ALL = [shown(event) for event in EVENTS]


def changed(kind: str, change: Callable[[Any], Any]) -> list[Shown]:
    first = next(at for at, one in enumerate(ALL) if one.kind == kind)
    return [one._replace(value=change(one.value)) if at == first else one for at, one in enumerate(ALL)]


def check(exam: type[Exam], found: list[Shown], *, repeats: bool = False) -> None:
    exam()._compare(EVENTS, found, repeats=repeats)


def test_what_is_shown_as_it_was_logged_passes() -> None:
    check(Exam, ALL)
    check(Exam, ALL[::-1])
    check(Exam, [one._replace(time=None, phase=None, step=None) for one in ALL])


def test_what_is_within_the_declared_precision_passes() -> None:
    check(Exam, changed("audio", lambda value: value + 0.005))
    check(Coarse, changed("scalar", lambda value: float(np.float32(value))))


@pytest.mark.parametrize(
    "found",
    [
        ALL[1:],
        [one for one in ALL if one.kind != "mesh"],
        changed("scalar", lambda value: float(np.float32(value))),
        changed("scalar", lambda value: float("nan")),
        changed("string", str.upper),
        changed("audio", lambda value: value + 0.02),
        changed("audio", lambda value: value[:, 1:]),
        changed("image", lambda value: value ^ 1),
        changed("mesh", lambda value: value[::-1]),
        changed("table", lambda value: value[:-1]),
        changed("histogram", lambda value: value + 1),
        [one._replace(phase="test") for one in ALL],
        [one._replace(step=(one.step or 0) + 1) for one in ALL],
        [one._replace(time=(one.time or 0) + 1) for one in ALL],
        [one._replace(name=f"x/{one.name}") for one in ALL],
        [one._replace(kind="tensor") if one.kind == "image" else one for one in ALL],
        [*ALL, ALL[0]],
        [*ALL, ALL[0]._replace(name="nobody")],
        [*ALL, Shown("video", "train", "clip", 0)],
    ],
)
def test_what_is_missing_changed_repeated_or_made_up_fails(found: list[Shown]) -> None:
    with pytest.raises(AssertionError):
        check(Exam, found)


def test_repeats_pass_where_they_are_declared_alone() -> None:
    """And made-up values don't."""
    check(Coarse, [*ALL, *ALL], repeats=True)
    with pytest.raises(AssertionError):
        check(Coarse, [*ALL, *ALL])
    with pytest.raises(AssertionError):
        check(Coarse, [*ALL, ALL[0]._replace(value=7.0)], repeats=True)
