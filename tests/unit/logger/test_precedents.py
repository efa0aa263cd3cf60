"""What is known of arrays that were logged before spares a look at those like them, and at no others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynclog as al
from asynclog.values import same_array
from tests.unit.logger.recording import recorded

Put = Callable[[al.MultiLogger, Any], None]

# By which call, and with which parameters: several that differ in one of them alone.
CALLS: dict[str, tuple[Put, dict[str, Any]]] = {
    "image": (lambda log, data: log.log_image("it", data), {}),
    "its layout": (lambda log, data: log.log_image("it", data, layout="CHW"), {"layout": "CHW"}),
    "another": (lambda log, data: log.log_image("it", data, layout="HWC"), {"layout": "HWC"}),
    "caption": (lambda log, data: log.log_image("it", data, caption="one"), {"caption": "one"}),
    "other words": (lambda log, data: log.log_image("it", data, caption="two"), {"caption": "two"}),
    "labelled": (lambda log, data: log.log_labeled_image("it", (data, "cat")), {"captions": ["cat"]}),
    "other label": (lambda log, data: log.log_labeled_image("it", (data, "dog")), {"captions": ["dog"]}),
    "tensor": (lambda log, data: log.log_tensor("it", data), {}),
}
SHAPES = [(3, 4, 3), (3, 4, 1), (1, 4, 3)]
# Each phase, level and epoch, an axis and an elapsed time: the step alone never tells two of them apart.
STATES: list[dict[str, Any]] = [
    {},
    {"phase": "valid"},
    {"epoch": 3},
    {"level": "epoch", "epoch": 3},
    {"axes": {"policy": 1.0}},
    {"axes": {"policy": 2.0}, "elapsed_s": 0.5},
]
DTYPES = ["<f4", ">f4", "<f8", "<i8", "u1", "?"]


def array(shape: tuple[int, ...], dtype: str, number: int) -> np.ndarray[Any, Any]:
    return (np.arange(np.prod(shape)) % 7 + number).reshape(shape).astype(dtype)


@given(
    logged=st.lists(
        st.tuples(st.sampled_from(list(CALLS)), st.sampled_from(SHAPES), st.sampled_from(DTYPES), st.sampled_from(STATES)),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_each_value_comes_back_with_its_own_bytes_parameters_and_state(
    tmp_path_factory: pytest.TempPathFactory, logged: list[tuple[str, tuple[int, ...], str, dict[str, Any]]]
) -> None:
    """All of them twice, so that each has one like it before it."""

    async def body(log: al.MultiLogger) -> None:
        for step, (name, shape, dtype, state) in enumerate(logged * 2):
            CALLS[name][0](log, array(shape, dtype, step))
            await log.write(al.State(step, **state))

    events = (await recorded(tmp_path_factory.mktemp("values") / "run", body)).events(key="it")
    for step, ((name, shape, dtype, state), event) in enumerate(zip(logged * 2, events, strict=True)):
        expected = array(shape, dtype.replace(">", "<"), step)
        assert event.state == al.State(step, **state)
        assert event.kind == ("tensor" if name == "tensor" else "image")
        assert same_array(event.value.data, expected)
        assert event.value.params() == CALLS[name][1]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda log, data: log.log_image("it", data.astype(complex)),
        lambda log, data: log.log_image("it", data[0, 0]),
        lambda log, data: log.log_image("it", data, layout="HW"),
        lambda log, data: log.log_image("it", data, keep_resolution=1),
    ],
    ids=["dtype", "shape", "layout", "parameter of another type"],
)
async def test_what_is_wrong_is_refused_also_behind_one_that_was_right(tmp_path: Path, wrong: Put) -> None:
    data = array((3, 4, 4), "f4", 0)
    log = al.MultiLogger(tmp_path / "run", recorder="thread", strict=True)
    async with log:
        for step in range(2):
            log.log_image("it", data)
            log.log_image("it", data, keep_resolution=True)
            await log.write(step)
        wrong(log, data)
        with pytest.raises(al.InvalidValue):
            await log.write(2)


async def test_shapes_that_never_come_again_take_no_memory(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder="thread")
    async with log:
        for step in range(2000):
            log.log_tensor("it", np.zeros(step))
            await log.write(step)
        assert len(log._core.precedents) < 1000
