"""Where a value belongs."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from asynclog.errors import InvalidValue
from asynclog.state import BARE, LEVELS, PHASES, State, as_state, plain_context
from asynclog.testing.strategies import states

FULL = State(7, "valid", 2, 1.5, "epoch", {"samples": 64})


def test_a_bare_state_is_of_training_a_batch_and_epoch_0() -> None:
    state = State(3)
    assert (state.step, state.phase, state.epoch, state.level, state.elapsed_s) == (3, "train", 0, "batch", None)
    assert dict(state.axes) == {}


def test_the_next_state_shares_everything_but_the_step() -> None:
    following = FULL.next()
    assert following == State(8, "valid", 2, 1.5, "epoch", {"samples": 64})
    assert FULL.step == 7
    assert following._context is FULL._context


def test_plain_states_of_one_phase_epoch_and_level_share_one_context() -> None:
    """The hot path compares contexts by identity."""
    assert State(1)._context is State(2, "train", 0).next()._context is plain_context("train", 0, "batch")
    assert State(1)._context.plain
    for other in (
        State(1, "valid"),
        State(1, epoch=1),
        State(1, level="fit"),
        State(1, elapsed_s=0.0),
        State(1, axes={"a": 1}),
    ):
        assert other._context is not State(1)._context
    assert not FULL._context.plain
    assert State(1, axes={})._context is State(1)._context


def test_an_epoch_counter_that_runs_away_does_not_fill_memory() -> None:
    first = State(0, epoch=10_000)
    for epoch in range(10_001, 15_000):
        State(0, epoch=epoch)
    assert plain_context("train", 10_000, "batch") is not first._context
    assert State(0, epoch=10_000) == first
    # What a bare step is compared with on the hot path.
    assert plain_context("train", 0, "batch") is BARE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, FULL),
        ({"step": 9}, State(9, "valid", 2, 1.5, "epoch", {"samples": 64})),
        ({"epoch": 3, "phase": "test"}, State(7, "test", 3, 1.5, "epoch", {"samples": 64})),
        ({"axes": {}, "elapsed_s": None, "level": "batch"}, State(7, "valid", 2)),
    ],
)
def test_some_fields_can_be_replaced(changes: dict[str, Any], expected: State) -> None:
    assert FULL.replace(**changes) == expected


def test_an_unknown_field_cannot() -> None:
    with pytest.raises(InvalidValue, match=r"expected fields among step, phase, epoch, .* got Step, when"):
        FULL.replace(when=1, Step=2)


def test_a_bare_step_and_a_state_are_the_same_where_a_state_is_wanted() -> None:
    assert as_state(3, "valid") == State(3, "valid")
    assert as_state(FULL) is FULL


def test_the_step_after_the_last_can_be_counted_to_and_not_recorded() -> None:
    """next() is called once a step, and only counts."""
    beyond = State(2**63 - 1).next()
    with pytest.raises(InvalidValue, match="'step': expected a whole number of 64 bits, got 9223372036854775808"):
        as_state(beyond)


@pytest.mark.parametrize("step", [np.int64(5), np.uint8(5), np.array(5)])
def test_a_step_may_be_any_whole_number(step: Any) -> None:
    state = State(step)
    assert state == State(5)
    assert type(state.step) is int


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"step": 1.0}, r"'step': expected a whole number, got 1\.0"),
    ({"step": "1"}, "'step': expected a whole number"),
    ({"step": None}, "'step': expected a whole number"),
    ({"step": 2**63}, "'step': expected a whole number of 64 bits"),
    ({"step": -(2**63) - 1}, "'step': expected a whole number of 64 bits"),
    ({"step": 0, "epoch": 0.5}, "'epoch': expected a whole number, got 0.5"),
    ({"step": 0, "phase": "training"}, "'phase': expected one of train, valid, test, got 'training'"),
    ({"step": 0, "level": "step"}, "'level': expected one of fit, epoch, batch"),
    ({"step": 0, "elapsed_s": "soon"}, "'elapsed_s': expected a number, got 'soon'"),
    ({"step": 0, "elapsed_s": float("nan")}, "'elapsed_s': expected a finite number of seconds, got nan"),
    ({"step": 0, "elapsed_s": float("-inf")}, "'elapsed_s': expected a finite number of seconds, got -inf"),
    ({"step": 0, "axes": {1: 2}}, "'axes': expected a str as each axis's name, got 1"),
    ({"step": 0, "axes": [1]}, r"'axes': expected a mapping of names to numbers, got \[1\]"),
    ({"step": 0, "axes": {"samples": "many"}}, r"axes\['samples'\].*expected a number, got 'many'"),
    ({"step": 0, "axes": {"samples": 10**400}}, r"axes\['samples'\].*expected a number"),
]


@pytest.mark.parametrize(("fields", "why"), WRONG)
def test_what_is_no_state_is_refused_by_field(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidValue, match=why):
        State(**fields)


@given(states())
def test_a_state_survives_pickling(state: State) -> None:
    again = pickle.loads(pickle.dumps(state))
    assert again == state
    assert hash(again) == hash(state)
    assert again._context.plain is state._context.plain


@given(states(), states())
def test_states_are_equal_when_their_fields_are(one: State, other: State) -> None:
    fields = ("step", "phase", "epoch", "elapsed_s", "level", "axes")
    assert (one == other) == all(getattr(one, name) == getattr(other, name) for name in fields)


def test_a_state_equals_nothing_else() -> None:
    assert State(1) != 1
    assert State(1).__eq__(1) is NotImplemented


def test_a_state_is_immutable_and_small() -> None:
    with pytest.raises(AttributeError):
        FULL.step = 8  # type: ignore[misc]
    with pytest.raises(TypeError):
        FULL.axes["samples"] = 1  # type: ignore[index]
    assert not hasattr(FULL, "__dict__")


def test_a_state_reads_as_it_was_written() -> None:
    assert repr(State(1)) == "State(step=1, phase='train')"
    assert eval(repr(FULL)) == FULL


def test_the_words_for_phases_and_levels() -> None:
    assert PHASES == ("train", "valid", "test")
    assert LEVELS == ("fit", "epoch", "batch")
