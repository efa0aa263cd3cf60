"""Numbers: what a training loop calls a number is recorded as that number."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.errors import AmbiguousSeries
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from tests.frames import scanned
from tests.unit.logger.recording import recorded

BIG = 2**53 + 1


async def values_of(path: Path, values: list[Any], **options: Any) -> list[Any]:
    """What one key reads back as after these values were logged, one a step."""

    async def body(log: al.MultiLogger) -> None:
        for step, value in enumerate(values):
            log.log_scalar("x", value)
            await log.write(step)

    return [event.value for event in (await recorded(path, body, **options)).events(kind="scalar", key="x")]


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_floats_come_back_bit_for_bit(tmp_path: Path, recorder: str) -> None:
    given = [0.1, -0.0, 1e-320, 1.7976931348623157e308, math.inf, -math.inf, 3.0]
    found = await values_of(tmp_path / "run", given, recorder=recorder)
    assert [value.hex() for value in found] == [value.hex() for value in given]


async def test_nan_is_data(tmp_path: Path) -> None:
    found = await values_of(tmp_path / "run", [1.0, math.nan, 2.0, math.nan])
    assert [math.isnan(value) for value in found] == [False, True, False, True]


async def test_whole_numbers_beyond_2_53_stay_exact(tmp_path: Path) -> None:
    given = [BIG, -BIG, 2**63 - 1, -(2**63)]
    assert await values_of(tmp_path / "run", given) == given


async def test_a_whole_number_beyond_2_53_stays_exact_under_a_key_that_held_floats(tmp_path: Path) -> None:
    found = await values_of(tmp_path / "run", [0.5, 0.25, 7, BIG, 0.125])
    assert found == [0.5, 0.25, 7, BIG, 0.125]


async def test_floats_under_a_key_that_held_whole_numbers_stay_exact(tmp_path: Path) -> None:
    assert await values_of(tmp_path / "run", [1, 2, 0.5, 3, BIG]) == [1, 2, 0.5, 3, BIG]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (True, 1),
        (False, 0),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float16(0.1), float(np.float16(0.1))),
        (np.float64(0.1), 0.1),
        (np.int8(-7), -7),
        (np.uint64(2**63 - 1), 2**63 - 1),
        (np.int64(BIG), BIG),
        (np.bool_(True), 1),
        (np.array(2.5), 2.5),
        (np.array(3), 3),
        (torch.tensor(0.1), float(np.float32(0.1))),
        (torch.tensor(0.1, dtype=torch.float64), 0.1),
        (torch.tensor(BIG), BIG),
        (torch.tensor(True), 1),
        (torch.tensor(1.5, dtype=torch.bfloat16), 1.5),
        (torch.tensor(1.5, dtype=torch.float16, requires_grad=True), 1.5),
        (torch.nn.Parameter(torch.tensor(2.0)) * 2, 4.0),
        (lambda: 4.5, 4.5),
    ],
    ids=lambda one: getattr(type(one), "__name__", ""),
)
async def test_what_training_loops_call_a_number_is_one(tmp_path: Path, given: Any, expected: float) -> None:
    found = await values_of(tmp_path / "run", [given, given, given])
    assert found == [expected] * 3
    assert type(found[0]) is type(expected)


async def test_a_later_value_of_a_key_replaces_an_earlier_one(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_scalar("loss", 1.0)
        log.log_scalar("loss", 2.0)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").value.tolist() == [2.0]


@pytest.mark.parametrize(
    ("reduce", "expected"), [("last", 4.0), ("mean", 7 / 3), ("sum", 7.0), ("min", 1.0), ("max", 4.0), ("count", 3)]
)
async def test_values_logged_before_one_write_fold(tmp_path: Path, reduce: str, expected: float) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step in range(3):
            for value in (1.0, 2.0, 4.0):
                log.log_scalar("loss", value, reduce=reduce)
            await log.write(step)

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").value.tolist() == [expected] * 3


async def test_folding_ends_with_the_write(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        for value in (1.0, 2.0, 3.0):
            log.log_scalar("loss", value, reduce="sum")
            await log.write(int(value))

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").value.tolist() == [1.0, 2.0, 3.0]


async def test_an_unknown_reduction_is_an_error_at_the_call(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        with pytest.raises(al.InvalidValue, match=r"reduce.*expected one of"):
            log.log_scalar("loss", 1.0, reduce="median")


async def test_whole_numbers_fold_exactly(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_scalar("tokens", 2**60, reduce="sum")
        log.log_scalar("tokens", 1, reduce="sum")
        await log.write(0)

    assert (await recorded(tmp_path / "run", body)).series("tokens").value.tolist() == [2**60 + 1]


async def test_a_mapping_logs_numbers_text_and_values_at_once(tmp_path: Path) -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)

    async def body(log: al.MultiLogger) -> None:
        log.log({"loss": 0.5, "says": "hello", "frame": al.Image(image), "n": 3}, namespace="train")
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    found = {event.key: event for event in run.events()}
    assert found["loss"].value == 0.5
    assert (found["says"].kind, found["says"].value) == ("string", "hello")
    assert found["frame"].value == al.Image(image)
    assert {event.namespace for event in found.values()} == {"train"}


async def test_rows_of_changing_keys_are_all_kept(tmp_path: Path) -> None:
    """Sets that recur, sets that never do, one key, a thousand keys: all through the same door."""

    async def body(log: al.MultiLogger) -> None:
        for step in range(300):
            if step % 3 == 0:
                log.log({"a": step * 0.5, "b": float(step)})
            elif step % 3 == 1:
                log.log({f"once-{step}": step * 0.5})
            else:
                log.log({"a": step * 0.5})
            await log.write(step)
        log.log({f"wide-{number}": number * 0.5 for number in range(1000)})
        await log.write(300)

    run = await recorded(tmp_path / "run", body)
    assert run.series("a").step.tolist() == [step for step in range(300) if step % 3 != 1]
    assert all(run.series(f"once-{step}").value.tolist() == [step * 0.5] for step in range(1, 300, 3))
    assert [run.series(f"wide-{number}").value[0] for number in (0, 999)] == [0.0, 499.5]
    assert len(run) == 100 * 2 + 100 + 100 + 1000


async def test_late_repeated_and_decreasing_steps_are_kept_in_order_of_time(tmp_path: Path) -> None:
    steps = [5, 5, 3, 100, -1, 0]

    async def body(log: al.MultiLogger) -> None:
        for step in steps:
            log.log_scalar("x", float(step))
            await log.write(step)

    series = (await recorded(tmp_path / "run", body)).series("x")
    assert series.step.tolist() == steps
    assert (np.diff(series.time_ns) > 0).all()


async def test_times_increase_strictly_over_every_way_to_write(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        row = log.row("r")
        for step in range(200):
            log.log_scalar("x", 0.5)
            await log.write(step)
            row(step, 0.5)
            async with log.at(al.State(step, "valid")) as entry:
                entry.log_scalar("y", 0.5)

    run = await recorded(tmp_path / "run", body)
    times = np.array([event.time_ns for event in run.events()])
    assert len(times) == 600
    assert (np.diff(times) >= 0).all()
    for key in "xyr":
        assert (np.diff(run.series(key).time_ns) > 0).all()


async def test_a_states_axes_phase_epoch_and_level_come_back(tmp_path: Path) -> None:
    state = al.State(7, "valid", epoch=3, elapsed_s=1.5, level="epoch", axes={"samples": 512, "policy_version": 9})

    async def body(log: al.MultiLogger) -> None:
        for _ in range(3):  # by itself, then as a row
            log.log_scalar("x", 0.5)
            log.log_string("s", "text")
            await log.write(state)

    run = await recorded(tmp_path / "run", body)
    assert [event.state for event in run.events()] == [state] * 6


async def test_a_write_with_nothing_pending_records_nothing(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step in range(10):
            await log.write(step)

    run = await recorded(tmp_path / "run", body)
    assert len(run) == 0
    assert run.status == "finished"


async def test_phases_make_series_of_their_own(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step in range(20):
            log.log_scalar("loss", 1.0 if step % 2 else 2.0)
            await log.write(al.State(step, "train" if step % 2 else "valid"))

    run = await recorded(tmp_path / "run", body)
    with pytest.raises(AmbiguousSeries):
        run.series("loss")
    assert run.series("loss", phase="train").value.tolist() == [1.0] * 10
    assert run.series("loss", phase="valid").value.tolist() == [2.0] * 10


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_row_handle_records_rows(tmp_path: Path, recorder: str) -> None:
    async def body(log: al.MultiLogger) -> None:
        with log.namespace("arm"):
            row = log.row("position", "velocity", "count", phase="test")
        for step in range(5000):
            row(step, step * 0.5, -step * 0.25, step)

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    series = run.series("arm/position", phase="test")
    assert series.step.tolist() == list(range(5000))
    assert series.value.tolist() == [step * 0.5 for step in range(5000)]
    assert run.series("arm/count").value.tolist() == list(range(5000))
    assert len(run) == 15_000


async def test_a_row_handle_takes_states_and_tensors(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        row = log.row("x")
        row(al.State(0, "valid", epoch=2), torch.tensor(0.5))
        row(1, np.float32(0.25))
        row(2, BIG)

    run = await recorded(tmp_path / "run", body)
    assert [(event.step, event.phase, event.epoch, event.value) for event in run.events()] == [
        (0, "valid", 2, 0.5),
        (1, "train", 0, 0.25),
        (2, "train", 0, BIG),
    ]


@pytest.mark.parametrize("keys", [(), ("a", "a")])
async def test_a_row_handle_wants_different_keys(tmp_path: Path, keys: tuple[str, ...]) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        with pytest.raises(al.InvalidValue, match="row: expected different keys"):
            log.row(*keys)


async def test_a_row_of_the_wrong_width_is_named(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        row = log.row("a", "b")
        row(0, 1.0, 2.0)
        with pytest.raises(al.InvalidValue, match="expected 2 values, for a, b, got 3"):
            row(1, 1.0, 2.0, 3.0)
        row(2, 1.0, 2.0)
    assert al.read(tmp_path / "run").series("a").step.tolist() == [0, 2]


async def test_two_row_handles_of_the_same_keys_keep_their_orders(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        one, other = log.row("a", "b"), log.row("b", "a")
        for step in range(100):
            one(2 * step, 1.0, 2.0)
            other(2 * step + 1, 2.0, 1.0)

    run = await recorded(tmp_path / "run", body)
    assert set(run.series("a").value.tolist()) == {1.0}
    assert run.series("a").step.tolist() == list(range(200))


async def test_a_set_of_keys_gets_one_schema_however_it_begins(tmp_path: Path) -> None:
    """Whole numbers and axes have a schema at first sight, floats at the second; never two for the same rows."""
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step in range(4):
            log.log({"whole": step})
            await log.write(step)
            log.log({"float": step + 0.5})
            await log.write(step)
            log.log({"axis": step + 0.5})
            await log.write(al.State(step, axes={"samples": step}))
    (segment,) = (tmp_path / "run").rglob("*.alog")
    kinds = [frame.kind for frame in scanned(segment.read_bytes()) if isinstance(frame, Frame)]
    assert kinds.count(Kind.SCHEMA) == 4, "three layouts, and one series for the first float"
