from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynclog.sinks.progress.pace import Pace
from asynclog.sinks.progress.tally import Tally, Track
from asynclog.sinks.progress.words import duration, line, speed
from asynclog.state import State
from asynclog.testing import batch_of

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND


def tally(total: Any = None, per_epoch: Any = None, metrics: Any = None) -> Tally:
    return Tally(total, per_epoch, metrics)


def take(into: Tally, *writes: "tuple[str, int, int] | tuple[str, int, int, float]", **values: float) -> Tally:
    """Each write as (phase, epoch, step, seconds since the start), in a batch of its own."""
    for count, (phase, epoch, step, *at) in enumerate(writes):
        seconds = at[0] if at else float(count)
        state = State(step, phase, epoch)  # type: ignore[arg-type]
        into.take(batch_of([(state, values or {"loss": 0.5})], first_time_ns=START_NS + round(seconds * SECOND)))
    return into


def steps(first: int, end: int, *, phase: str = "train", epoch: int = 0, every: float = 1.0, start: float = 0.0) -> list[Any]:
    return [(phase, epoch, step, start + every * (step - first)) for step in range(first, end)]


def test_it_is_as_far_as_its_greatest_step() -> None:
    """Steps count from 0: the last of ten is the ninth."""
    track = take(tally(10), ("train", 0, 0), ("train", 0, 4), ("train", 0, 2)).tracks["train"]
    assert (track.done, track.total) == (5, 10)
    assert take(tally(10), *steps(0, 10)).tracks["train"].done == 10


def test_a_resumed_run_goes_on_where_it_was_and_is_no_faster_for_it() -> None:
    track = take(tally(1000), *steps(500, 520)).tracks["train"]
    assert (track.initial, track.done) == (500, 520)
    assert track.pace.speed == pytest.approx(1.0)
    assert track.left_s == pytest.approx(480)


def test_late_steps_do_not_put_it_back() -> None:
    track = take(tally(100), *steps(0, 50), ("train", 0, 3, 50.0)).tracks["train"]
    assert track.done == 50
    assert track.step == 49


def test_more_than_was_announced_has_no_end() -> None:
    track = take(tally(5), *steps(0, 10)).tracks["train"]
    assert (track.total, track.left_s) == (None, None)


def test_nothing_is_left_when_all_is_done() -> None:
    assert take(tally(10), *steps(0, 10)).tracks["train"].left_s is None


def test_steps_may_begin_anew_with_each_epoch() -> None:
    counted = take(tally(), *steps(0, 10), *steps(0, 4, epoch=1, start=10.0))
    assert (counted.tracks["train"].epoch, counted.tracks["train"].step) == (1, 3)


@pytest.mark.parametrize("restarting", [True, False])
def test_an_epoch_counts_its_writes(restarting: bool) -> None:
    """Whether steps go on or begin anew."""
    second = steps(0, 4, epoch=1, start=10.0) if restarting else steps(10, 14, epoch=1, start=10.0)
    counted = take(tally(None, 10), *steps(0, 10), *second)
    assert (counted.tracks["train"].done, counted.tracks["train"].total) == (4, 10)
    late = take(counted, ("train", 0, 9, 20.0))
    assert late.tracks["train"].done == 4


def test_a_run_that_resumes_within_an_epoch_knows_how_far_that_is() -> None:
    assert take(tally(None, 100), *steps(250, 260, epoch=2)).tracks["train"].done == 60


def test_validation_counts_writes_at_one_step_and_rounds_of_them() -> None:
    """Twice within an epoch, with as many batches each."""
    counted = take(tally(None, {"valid": 5}), *[("valid", 0, 100)] * 3)
    assert (counted.tracks["valid"].done, counted.tracks["valid"].total) == (3, 5)
    assert take(counted, *[("valid", 0, 200)] * 2).tracks["valid"].done == 5
    assert take(counted, ("valid", 0, 200)).tracks["valid"].done == 1


def test_training_is_no_slower_for_the_validation_in_between_but_takes_as_long() -> None:
    """Ten seconds of training at ten steps a second, then ten of validation, three times."""
    counted = tally(3000)
    for turn in range(3):
        take(counted, *steps(100 * turn, 100 * turn + 100, every=0.1, start=20.0 * turn))
        take(counted, *((("valid", 0, turn, 20.0 * turn + 10 + 0.5 * batch)) for batch in range(20)))
    take(counted, ("train", 0, 300, 60.0))
    track = counted.tracks["train"]
    assert track.pace.speed == pytest.approx(10, rel=0.05)
    assert counted.tracks["valid"].pace.speed == pytest.approx(2, rel=0.05)
    assert track.pace.mean_speed is not None
    assert 3 < track.pace.mean_speed < 7


def test_a_phase_between_others_all_the_time_has_a_speed() -> None:
    counted = tally()
    for step in range(50):
        state = State(step), State(step, "valid")
        counted.take(batch_of([(one, {"x": 1.0}) for one in state for _ in range(3)], first_time_ns=START_NS + step * SECOND))
    assert counted.tracks["train"].pace.mean_speed is not None


def test_speed_follows_a_change_and_the_rest_is_told_from_the_later_half() -> None:
    """An hour of warming up, then all is quick."""
    track = take(tally(10_000), *steps(0, 100, every=36.0), *steps(100, 5100, every=0.1, start=3600.0)).tracks["train"]
    assert track.pace.speed == pytest.approx(10, rel=0.05)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1000), st.booleans()), max_size=600))
def test_speeds_are_positive_or_unknown_and_little_is_kept(gaps: list[tuple[float, int, bool]]) -> None:
    pace, now = Pace(1e9), 1e9
    for gap, done, paused in gaps:
        pace.add(now + gap / 2, now + gap, done, done // 2, paused=paused)
        now += gap
    assert pace.speed is None or pace.speed > 0
    assert pace.mean_speed is None or pace.mean_speed > 0
    assert len(pace._points) <= 257


# -- numbers -------------------------------------------------------------------------------------------------------------


def test_the_first_numbers_of_a_phase_are_shown_with_their_newest_values() -> None:
    counted = tally()
    for value in (1.0, 2.0):
        take(counted, ("train", 0, 0), a=value, b=2.0, c=3.0, d=4.0, e=5.0)
    assert counted.shown(counted.tracks["train"]) == [("a", 2.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)]


def test_numbers_are_chosen_by_patterns_in_their_order() -> None:
    counted = take(tally(metrics=["e", "*loss*", "none"]), ("train", 0, 0), loss=1.0, b=2.0, valid_loss=3.0, e=5.0)
    assert counted.shown(counted.tracks["train"]) == [("e", 5.0), ("loss", 1.0), ("valid_loss", 3.0)]


def test_other_kinds_are_steps_as_well() -> None:
    counted = tally(10)
    counted.take(batch_of([(State(3), {"note": "text"})]))
    assert counted.tracks["train"].done == 4


# -- words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0:00"), (7, "0:07"), (751, "12:31"), (10931, "3:02:11"), (187200, "2 d 04:00:00"), (59.6, "1:00")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("every", "text"),
    [(0.001, "1,000 steps/s"), (0.03, "33.3 steps/s"), (1.0, "1 steps/s"), (2.5, "2.5 s/step"), (400.0, "400 s/step")],
)
def test_speeds(every: float, text: str) -> None:
    assert speed(take(tally(), *steps(0, 5, every=every)).tracks["train"]) == text


def test_a_line_says_it_all() -> None:
    track: Track = take(tally(100), *steps(0, 25, epoch=2), loss=0.314159, n=12345).tracks["train"]
    values = [("loss", 0.314159), ("n", 12345)]
    assert line(track, values, 35.0, None) == (
        "train 25/100 25%  1 steps/s  0:35 elapsed, 1:15 left  epoch 2  loss=0.3142 n=12,345"
    )
    assert "epoch 3/10" in line(track, values, 35.0, 10)


def test_without_a_total_a_line_has_the_step() -> None:
    assert line(take(tally(), *steps(0, 3)).tracks["train"], [], 3.0, None) == "train step 2  1 steps/s  0:03 elapsed"
