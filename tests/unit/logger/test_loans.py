"""Loans: what is rendered into shared memory is recorded from there, and what isn't recorded gives its memory back."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.shm.slab import Role
from asynclog.wire.layout import BLOB_PART_BYTES
from tests.integration import scripts
from tests.unit.logger.recording import recorded

MEBIBYTE = 1 << 20
FRAME = (3, 8, 8)


async def all_comes_back(log: al.MultiLogger) -> None:
    """Nothing is on loan, and when consumers have let go no array holds memory, but for the arena that is being filled."""
    slabs = log.statistics()["slabs"]
    assert (slabs["loans"], slabs["loaned_bytes"]) == (0, 0)
    pool = log._core.producer.pool
    arrays = [one for one in pool.ledger.slabs.values() if one.role is Role.ARRAYS]
    async with asyncio.timeout(20):
        while any(one.announced or one.claims != (one.number == pool._arena) for one in arrays):
            log._core.producer.drain()
            await asyncio.sleep(0.001)


# -- what is recorded --------------------------------------------------------------------------------------------------


async def test_what_was_rendered_is_recorded(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        camera = log.loan("camera", FRAME, np.uint8, kind="image", caption="left")
        for step in range(3):
            async with camera as frame:
                frame[:] = step
            await log.write(step)
        with camera as frame:
            frame[:] = 3
        log.write_nowait(3)
        await all_comes_back(log)

    run = await recorded(tmp_path / "run", body, recorder="process")
    for event in run.events():
        np.testing.assert_array_equal(event.value.data, np.full(FRAME, event.step, np.uint8))
    assert [(event.kind, event.key, event.step, event.value.caption) for event in run.events()] == [
        ("image", "camera", step, "left") for step in range(4)
    ]


def address(array: np.ndarray) -> int:
    pointer: int = array.__array_interface__["data"][0]
    return pointer


def taken(log: al.MultiLogger) -> dict[int, tuple[int, int]]:
    """How much was taken from each slab for arrays, and in which of its generations."""
    slabs = log._core.producer.pool.ledger.slabs.values()
    return {one.number: (one.generation, one.used) for one in slabs if one.role is Role.ARRAYS}


@pytest.mark.parametrize("nbytes", [16, 2 * MEBIBYTE], ids=["in an arena", "in a slab of its own"])
async def test_a_write_takes_no_memory_for_what_was_rendered(tmp_path: Path, nbytes: int) -> None:
    """It is announced where it lies; an array of the caller's own would have to be copied."""

    async def body(log: al.MultiLogger) -> None:
        async with log.loan("x", nbytes, np.uint8) as array:
            array[:] = 7
        before = taken(log)
        await log.write(0)
        assert taken(log) == before
        log.log_tensor("x", np.full(nbytes, 8, np.uint8))
        await log.write(1)
        assert taken(log) != before

    run = await recorded(tmp_path / "run", body)
    assert [set(event.value.data.tolist()) for event in run.events()] == [{7}, {8}]


COLORS = np.arange(12, dtype=np.uint8).reshape(4, 3)
FACES = np.array([[0, 1, 2], [1, 2, 3]])
MASK = np.eye(8, dtype=np.uint8)
LENT: dict[str, tuple[tuple[Any, ...], dict[str, Any], Callable[[np.ndarray], Any]]] = {
    "tensor": (((2, 3), np.float32), {}, al.Tensor),
    "a number as a tensor": (((), "c16"), {}, al.Tensor),
    "nothing as a tensor": (((0, 3), bool), {}, al.Tensor),
    "a length as a shape": ((5, "i8"), {}, al.Tensor),
    "bfloat16": (((2, 3), "bfloat16"), {}, lambda data: al.Tensor(data, "bfloat16")),
    "image": (
        ((8, 8, 3), np.uint8),
        {"kind": "image", "layout": "HWC", "keep_resolution": True},
        lambda data: al.Image(data, layout="HWC", keep_resolution=True),
    ),
    "image with a mask and boxes": (
        ((8, 8), "f4"),
        {"kind": "image", "masks": {"cells": MASK}, "boxes": [[0, 0, 4, 4]], "box_labels": ["one"]},
        lambda data: al.Image(data, masks={"cells": MASK}, boxes=np.array([[0, 0, 4, 4]]), box_labels=["one"]),
    ),
    "image with long labels": (
        ((8, 8), "f4"),
        {"kind": "image", "caption": "long " * 1000},
        lambda data: al.Image(data, caption="long " * 1000),
    ),
    "images": (
        ((2, 3, 8, 8), np.uint8),
        {"kind": "images", "captions": ["a", "b"], "sep": 2, "max_images": 1},
        lambda data: al.Image(data, layout="NCHW", captions=["a", "b"], sep=2, most=1),
    ),
    "audio": (((2, 100), "f4"), {"kind": "audio", "sample_rate": 16000}, lambda data: al.Audio(data, 16000)),
    "spectrogram": (
        ((4000,), "i2"),
        {"kind": "spectrogram", "sample_rate": 8000, "hop_ms": 4.0},
        lambda data: al.Spectrogram(data, 8000, hop_ms=4.0),
    ),
    "video": (((4, 8, 8), np.uint8), {"kind": "video", "fps": 30.0}, lambda data: al.Video(data, 30.0)),
    "points": (
        ((4, 3), "f4"),
        {"kind": "point_cloud", "colors": COLORS, "max_points": 2},
        lambda data: al.PointCloud(data, COLORS, most=2),
    ),
    "mesh": (((4, 3), "f8"), {"kind": "mesh", "faces": FACES}, lambda data: al.Mesh(data, FACES)),
}


@pytest.mark.parametrize("what", LENT)
async def test_every_kind_of_one_array_comes_back_with_its_parameters(tmp_path: Path, what: str) -> None:
    """As the ``log_`` method of that kind would have recorded it."""
    (shape, dtype), options, value = LENT[what]
    rendered: list[np.ndarray] = []

    async def body(log: al.MultiLogger) -> None:
        async with log.loan("x", shape, dtype, **options) as array:
            array[...] = np.arange(array.size).reshape(array.shape) % 2
            rendered.append(array.copy())
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body, strict=True)).events()
    assert event.value == value(rendered[0])
    assert event.kind == event.value.kind


async def test_samples_of_a_histogram_are_counted(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        with log.loan("h", (1000,), np.float32, kind="histogram") as samples:
            samples[:] = np.arange(1000)
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body)).events()
    assert (event.value.count, event.value.low, event.value.high) == (1000, 0.0, 999.0)


async def test_a_dtype_of_torch_is_one(tmp_path: Path) -> None:
    """And torch renders into the array."""
    torch = pytest.importorskip("torch")

    async def body(log: al.MultiLogger) -> None:
        with log.loan("half", (2, 3), torch.float16) as array:
            torch.from_numpy(array).fill_(0.5)
        with log.loan("narrow", (2, 3), torch.bfloat16) as array:
            torch.from_numpy(array).view(torch.bfloat16).fill_(0.5)
        await log.write(0)

    half, narrow = (await recorded(tmp_path / "run", body)).events()
    assert half.value == al.Tensor(np.full((2, 3), 0.5, np.float16))
    assert (narrow.value.dtype, narrow.value.canonical().tolist()) == ("bfloat16", [[0.5] * 3] * 2)


async def test_what_goes_along_is_as_it_was_when_the_handle_was_made(tmp_path: Path) -> None:
    colors = COLORS.copy()

    async def body(log: al.MultiLogger) -> None:
        points = log.loan("points", (4, 3), "f4", kind="point_cloud", colors=colors)
        colors[:] = 0
        for step in range(2):
            with points as xyz:
                xyz[:] = step
            await log.write(step)

    for event in (await recorded(tmp_path / "run", body)).events():
        np.testing.assert_array_equal(event.value.colors, COLORS)


async def test_a_logger_its_children_and_entries_lend(tmp_path: Path) -> None:
    """Each loan is pending where it was made, under the namespace it was made in."""

    async def body(log: al.MultiLogger) -> None:
        child = log.child("robot")
        with log.namespace("eval"):
            handles = {0: log.loan("x", 1, "u1"), 1: child.loan("x", 1, "u1", namespace="arm")}
        with handles[0] as array:
            array[:] = 10
        async with handles[1] as array:
            array[:] = 11
        async with log.at(1) as entry, entry.loan("y", 1, "u1") as array:
            array[:] = 12
        await log.write(2)

    run = await recorded(tmp_path / "run", body)
    assert [(one.namespace, one.key, one.step, one.value.data.tolist()) for one in run.events()] == [
        ("", "y", 1, [12]), ("eval", "x", 2, [10]), ("robot/eval/arm", "x", 2, [11])
    ]  # fmt: skip


async def test_several_loans_of_a_key_are_all_kept_in_their_order(tmp_path: Path) -> None:
    """Among other values, too."""

    async def body(log: al.MultiLogger) -> None:
        handle = log.loan("x", 1, "u1")
        for number in range(4):
            async with handle as array:
                array[:] = number
            log.log_tensor("x", np.array([number], "u1"))
        log.log_scalar("loss", 0.5)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    assert [event.value.data.tolist() for event in run.events(kind="tensor")] == [[at // 2] for at in range(8)]
    assert run.series("loss").value.tolist() == [0.5]


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_loan_larger_than_a_part_of_a_frame(tmp_path: Path, recorder: str) -> None:
    words = BLOB_PART_BYTES // 8 + 1000

    async def body(log: al.MultiLogger) -> None:
        handle = log.loan("large", words, np.int64)
        for step in range(2):
            async with handle as array:
                array[:] = np.arange(words)
                array += step
            await log.write(step)

    run = await recorded(tmp_path / "run", body, recorder=recorder, slabs=256 * MEBIBYTE)
    for event in run.events():
        np.testing.assert_array_equal(event.value.data, np.arange(words) + event.step)
    assert len(run) == 2
    assert run.missing == 0


async def test_thousands_of_loans_go_through_little_memory(tmp_path: Path) -> None:
    """Those of a slab of their own as well as small ones."""

    async def body(log: al.MultiLogger) -> None:
        small, large = log.loan("small", 1000, "u2"), log.loan("large", 2 * MEBIBYTE, "u1")
        for step in range(2000):
            async with small as array:
                array[:] = step
            if step % 50 == 0:
                async with large as array:
                    array[:] = step % 256
            await log.write(step)
        await all_comes_back(log)

    run = await recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE)
    found = [(event.step, int(event.value.data[0]), int(event.value.data[-1])) for event in run.events(key="small")]
    assert found == [(step, step, step) for step in range(2000)]
    assert [int(event.value.data[-1]) for event in run.events(key="large")] == [step % 256 for step in range(0, 2000, 50)]


async def test_threads_render_while_the_loop_writes(tmp_path: Path) -> None:
    """Each with a handle of its own; every frame is in one of the writes."""

    async def body(log: al.MultiLogger) -> None:
        def render(number: int) -> None:
            handle = log.loan(f"thread{number}", 100, np.int64)
            for count in range(200):
                while True:
                    try:
                        with handle as array:
                            array[:] = count
                        break
                    except al.WouldBlock:
                        pass

        rendering = [asyncio.create_task(asyncio.to_thread(render, number)) for number in range(4)]
        step = 0
        while not all(one.done() for one in rendering):
            await log.write(step)
            await asyncio.sleep(0)
            step += 1
        await asyncio.gather(*rendering)
        await log.write(step)
        await all_comes_back(log)

    run = await recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE)
    for number in range(4):
        found = [set(event.value.data.tolist()) for event in run.events(key=f"thread{number}")]
        assert found == [{count} for count in range(200)]


async def test_a_loan_that_is_due_for_a_route_alone_is_recorded(tmp_path: Path) -> None:
    """Once in so many steps; what isn't due gives its memory back."""

    async def body(log: al.MultiLogger) -> None:
        handle = log.loan("camera", FRAME, np.uint8, kind="image")
        for step in range(10):
            async with handle as frame:
                frame[:] = step
            await log.write(step)
            assert log.statistics()["slabs"]["loans"] == 0
        assert log.statistics()["skipped"] == 8
        await all_comes_back(log)

    run = await recorded(tmp_path / "run", body, limit=al.RateLimit(steps=5), sinks=[al.sinks.Memory()])
    assert [event.step for event in run.events()] == [0, 5]


# -- the array ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raises", [False, True])
async def test_the_array_is_read_only_when_the_body_has_ended(tmp_path: Path, raises: bool) -> None:
    async def body(log: al.MultiLogger) -> None:
        try:
            async with log.loan("x", (2, 3), "f4") as array:
                assert array.flags.writeable
                assert array.flags.c_contiguous
                assert address(array) % 64 == 0
                if raises:
                    raise RuntimeError
        except RuntimeError:
            pass
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1.0

    await recorded(tmp_path / "run", body)


async def half_rendered(handle: Any, form: str) -> None:
    if form == "with":
        with handle as array:
            array[:] = 1 / 0
    else:
        async with handle as array:
            array[:] = 1 / 0


@pytest.mark.parametrize("form", ["async with", "with"])
async def test_a_body_that_raises_logs_nothing(tmp_path: Path, form: str) -> None:
    async def body(log: al.MultiLogger) -> None:
        handle = log.loan("x", 2 * MEBIBYTE, "u1")
        for _ in range(20):
            with pytest.raises(ZeroDivisionError):
                await half_rendered(handle, form)
        await log.write(0)
        await all_comes_back(log)

    assert len(await recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE)) == 0


async def test_a_body_that_is_cancelled_logs_nothing(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        entered = asyncio.Event()

        async def render() -> None:
            async with log.loan("x", 2 * MEBIBYTE, "u1"):
                entered.set()
                await asyncio.Event().wait()

        rendering = asyncio.create_task(render())
        await entered.wait()
        assert log.statistics()["slabs"]["loans"] == 1
        rendering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rendering
        await log.write(0)
        await all_comes_back(log)

    assert len(await recorded(tmp_path / "run", body)) == 0


async def test_a_handle_is_entered_once_at_a_time(tmp_path: Path) -> None:
    """Within its own body it says so; the body goes on, and the handle with it."""

    async def body(log: al.MultiLogger) -> None:
        handle = log.loan("arm/camera", (2,), "u1")
        async with handle as array:
            with pytest.raises(al.InvalidValue, match=r"tensor 'arm/camera': .* entered"):
                async with handle:
                    pass
            with pytest.raises(al.InvalidValue, match="two at a time need two handles"), handle:
                pass
            array[:] = 1
        with handle as array:
            array[:] = 2
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    assert [event.value.data.tolist() for event in run.events()] == [[1, 1], [2, 2]]


# -- what is refused ---------------------------------------------------------------------------------------------------

REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((3, "u1"), {"kind": "table"}, r"table 'arm/x': expected a kind that is one array.*tensor, image.*got 'table'; log_table"),
    ((3, "u1"), {"kind": 5}, r"5 'arm/x': expected a kind that is one array.*got 5$"),
    ((3, "u1"), {"kind": ["image"]}, "expected a kind that is one array"),
    (((3, 3, 9, 9), "u1"), {"kind": "image"}, r"image 'arm/x': expected \(H, W\).*got shape \(3, 3, 9, 9\)"),
    (((4,), "u1"), {"kind": "point_cloud"}, r"point_cloud 'arm/x': expected .*got shape \(4,\)"),
    (((4, 3), "u1"), {"kind": "mesh"}, "expected vertices and faces="),
    (((4, 3), "f4"), {"kind": "point_cloud", "colors": np.zeros((5, 3))}, "as many colors as points, 4, got 5"),
    ((3, "c8"), {"kind": "audio"}, "audio 'arm/x': expected whole numbers or floating point, got dtype complex64"),
    ((3, "f4"), {"kind": "audio", "sample_rate": -1}, "a whole number of Hz.*got sample_rate=-1"),
    ((3, "f4"), {"kind": "audio", "fps": 1}, "audio 'arm/x': expected parameters among sample_rate, layout, channel, got fps"),
    ((3, "f4"), {"caption": "no"}, "tensor 'arm/x': expected no parameters, got caption"),
    ((3, "f4"), {"kind": "image", "masks": 3}, "image 'arm/x': expected a value that can be read"),
    (((4, 4), "u1"), {"kind": "image", "caption": "\ud800"}, "image 'arm/x': expected a value that can be read, got Unicode"),
    ((3, object), {}, "tensor 'arm/x': expected a dtype of numbers.*object|'O'"),
    ((3, ">f4"), {}, "in this machine's byte order.*newbyteorder"),
    ((3, None), {}, "expected a dtype of numbers, in this machine's byte order, got None"),
    ((3, "float33"), {}, "expected a dtype, got str 'float33'"),
    ((3, "bfloat16"), {"kind": "histogram"}, "histogram 'arm/x': .*got bfloat16"),
    (((3, -1), "u1"), {}, r"expected a shape, whole numbers ≥ 0, got tuple \(3, -1\)"),
    ((2.5, "u1"), {}, "expected a shape, whole numbers ≥ 0, got float 2.5"),
    (("3", "u1"), {}, "expected a shape"),
    (((2**40, 2**40), "u1"), {}, "expected a shape"),
    ((2**30, "f8"), {}, "at most half of the shared memory"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "options", "told"), REFUSED)
def test_what_cant_be_lent_is_refused_when_the_handle_is_made(
    asked: tuple[Any, ...], options: dict[str, Any], told: str
) -> None:
    """Named are key, kind, what was expected and what came; a logger needn't be strict for it, nor open."""
    log = al.MultiLogger(None)
    with pytest.raises(al.InvalidValue, match=told) as raised:
        log.loan("x", *asked, namespace="arm", **options)
    assert (raised.value.namespace, raised.value.key) == ("arm", "x")


def test_names_are_str() -> None:
    log = al.MultiLogger(None)
    with pytest.raises(al.InvalidValue, match=r"tensor '5': expected a str as its key"):
        log.loan(5, (3,), "u1")  # type: ignore[arg-type]
    with pytest.raises(al.InvalidValue, match="expected a str as its namespace"):
        log.loan("x", (3,), "u1", namespace=5)  # type: ignore[arg-type]


async def test_a_closed_logger_lends_nothing(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder="thread")
    handle = log.loan("x", (3,), "u1")
    async with handle:
        pass
    await log.aclose()
    for _ in range(2):
        with pytest.raises(al.LoggerClosed):
            async with handle:
                pass
        with pytest.raises(al.LoggerClosed), handle:
            pass


# -- loans that are never written --------------------------------------------------------------------------------------


# Each returns what may be kept of it: the frames of an exception hold on to what it was raised over.


async def entry_that_raises(log: al.MultiLogger) -> Any:
    try:
        async with log.at(0) as entry:
            with entry.loan("x", 2 * MEBIBYTE, "u1"):
                pass
            raise RuntimeError
    except RuntimeError as error:
        return error, entry


async def entry_that_is_forgotten(log: al.MultiLogger) -> Any:
    with log.at(0).loan("x", 2 * MEBIBYTE, "u1"):
        pass


async def bad_state(log: al.MultiLogger) -> Any:
    with log.loan("x", 2 * MEBIBYTE, "u1"):
        pass
    with pytest.raises(al.InvalidValue) as raised:
        await log.write("no step")  # type: ignore[arg-type]
    return raised


async def bad_state_without_waiting(log: al.MultiLogger) -> Any:
    with log.loan("x", 2 * MEBIBYTE, "u1"):
        pass
    with pytest.raises(al.InvalidValue) as raised:
        log.write_nowait("no step")  # type: ignore[arg-type]
    return raised


async def bad_value_beside_it(log: al.MultiLogger) -> Any:
    with log.loan("x", 2 * MEBIBYTE, "u1"):
        pass
    log.log_tensor("y", "text")
    with pytest.raises(al.InvalidValue) as raised:
        await log.write(0)
    return raised


async def bad_value_beside_it_without_waiting(log: al.MultiLogger) -> Any:
    with log.loan("x", 2 * MEBIBYTE, "u1"):
        pass
    log.log_tensor("y", "text")
    with pytest.raises(al.InvalidValue) as raised:
        log.write_nowait(0)
    return raised


async def cancelled_write(log: al.MultiLogger) -> Any:
    with log.loan("x", 2 * MEBIBYTE, "u1"):
        pass
    log.log_string("slow", asyncio.Event().wait)
    writing = asyncio.create_task(log.write(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await writing
    return raised


async def forgotten_while_entered(log: al.MultiLogger) -> Any:
    log.loan("x", 2 * MEBIBYTE, "u1").__enter__()


NEVER_WRITTEN = [
    entry_that_raises, entry_that_is_forgotten, bad_state, bad_state_without_waiting, bad_value_beside_it,
    bad_value_beside_it_without_waiting, cancelled_write, forgotten_while_entered,
]  # fmt: skip


@pytest.mark.parametrize("leave", NEVER_WRITTEN, ids=lambda one: one.__name__.replace("_", " "))
async def test_a_loan_that_is_never_written_gives_its_memory_back(tmp_path: Path, leave: Any) -> None:
    """Ten times as much as there is of it; afterwards a loan is written as ever."""

    async def body(log: al.MultiLogger) -> None:
        kept = [await leave(log) for _ in range(40)]
        await all_comes_back(log)
        async with log.loan("written", 2 * MEBIBYTE, "u1"):
            pass
        await log.write(1)
        del kept

    run = await recorded(tmp_path / "run", body, strict=True, slabs=16 * MEBIBYTE)
    assert [event.key for event in run.events()] == ["written"]


async def test_a_loan_that_is_pending_at_the_end_is_discarded(tmp_path: Path) -> None:
    """As every value that nobody wrote; or written after the end."""
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        with log.loan("x", 3, "u1"):
            pass
    assert (log.statistics()["discarded"], log.statistics()["slabs"]["loans"]) == (1, 0)
    assert len(al.read(tmp_path / "run")) == 0


async def test_a_body_that_outlives_the_logger_is_not_recorded(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        handle = log.loan("x", 3, "u1")
        array = handle.__enter__()
    array[:] = 1
    handle.__exit__(None, None, None)
    with pytest.raises(al.LoggerClosed):
        log.write_nowait(0)
    assert log.statistics()["slabs"]["loans"] == 0
    assert len(al.read(tmp_path / "run")) == 0


FORK = """
log = al.MultiLogger(path)
camera = log.loan("camera", (4,), np.uint8)
with camera as frame:
    frame[:] = 1
child = os.fork()
if child == 0:
    with camera as frame:
        frame[:] = 9
    log.write_nowait(9)
    async def late():
        async with camera as frame:
            frame[:] = 9
        await log.write(9)
    asyncio.run(late())
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
log.write_nowait(0)
with camera as frame:
    frame[:] = 2
log.write_nowait(1)
print(log.statistics()["slabs"]["loans"])
log.close()
"""


def test_in_a_forked_child_a_body_runs_and_nothing_is_recorded(tmp_path: Path) -> None:
    """Least of all what was pending at the fork, twice."""
    done = scripts.run(FORK, tmp_path / "run")
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    found = [(event.step, event.value.data.tolist()) for event in al.read(tmp_path / "run").events()]
    assert found == [(0, [1] * 4), (1, [2] * 4)]


# -- memory ------------------------------------------------------------------------------------------------------------


def fill(logger: Any, nbytes: int = 4 * MEBIBYTE) -> int:
    """Loans until there may be no more; how many."""
    for count in range(100):
        try:
            with logger.loan(f"x{count}", nbytes, "u1") as array:
                array[:] = count
        except al.WouldBlock:
            return count
    raise AssertionError("there is no end")


async def test_with_never_waits(tmp_path: Path) -> None:
    """Loans get half of the memory; what was refused cost nothing, and what was rendered before it is recorded."""

    async def body(log: al.MultiLogger) -> None:
        assert fill(log) == 2
        slabs = log.statistics()["slabs"]
        assert (slabs["loans"], slabs["loaned_bytes"]) == (2, 8 * MEBIBYTE)
        handle = log.loan("more", 2 * MEBIBYTE, "u1")
        with pytest.raises(al.WouldBlock, match=r"2 loans that no write has taken hold 8388608 of the 8388608 bytes"):
            handle.__enter__()
        log.write_nowait(0)
        with handle as array:
            array[:] = 4
        await log.write(0)
        await all_comes_back(log)

    run = await recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE)
    assert [int(event.value.data[-1]) for event in run.events()] == [0, 1, 4]


async def test_small_loans_count_with_the_slab_that_they_keep(tmp_path: Path) -> None:
    """Or a few of them, each in an arena of its own, would keep all memory from coming round."""

    async def body(log: al.MultiLogger) -> None:
        handles = [log.loan("x", 16, "u1") for _ in range(100)]
        for handle in handles:
            try:
                with handle:
                    pass
            except al.WouldBlock:
                break
            # What lies between them is written and goes.
            for _ in range(4):
                entry = log.at(0)
                entry.log_tensor("y", np.zeros(MEBIBYTE, "u1"))
                await entry.write(0)
        assert log.statistics()["slabs"]["loaned_bytes"] <= 8 * MEBIBYTE
        await log.write(1)
        await all_comes_back(log)

    await asyncio.wait_for(recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE), 30)


async def test_async_with_waits_until_others_are_written(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        entry = log.at(0)
        count = fill(entry)

        async def render() -> None:
            async with log.loan("late", 2 * MEBIBYTE, "u1") as array:
                array[:] = 9

        rendering = asyncio.create_task(render())
        await asyncio.sleep(0.1)
        assert not rendering.done()
        await entry.write(0)
        await asyncio.wait_for(rendering, 10)
        await log.write(count)
        await all_comes_back(log)

    run = await recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE)
    assert [event.key for event in run.events()] == ["x0", "x1", "late"]


async def test_many_tasks_render_in_turn_where_memory_is_for_a_few(tmp_path: Path) -> None:
    """Each has a loan in hand while it waits for another."""

    async def body(log: al.MultiLogger) -> None:
        async def task(number: int) -> None:
            async with log.at(number) as entry, entry.loan("x", MEBIBYTE // 2, "u1") as array:
                array[:] = number
                await asyncio.sleep(0)
            async with log.at(number) as entry, entry.loan("y", 2 * MEBIBYTE, "u1") as array:
                array[:] = number
                await asyncio.sleep(0)

        await asyncio.gather(*map(task, range(40)))
        await all_comes_back(log)

    run = await asyncio.wait_for(recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE), 40)
    for key in ("x", "y"):
        assert sorted((event.step, int(event.value.data[-1])) for event in run.events(key=key)) == [
            (at, at) for at in range(40)
        ]


class Still(asyncio.SelectorEventLoop):
    """A loop whose clock stands still."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.mark.blocking
def test_a_loan_that_waits_for_loans_that_nobody_writes_is_told_so(tmp_path: Path) -> None:
    """It would wait for ever. Those before it are still there, and are written."""

    async def scene(loop: Still) -> None:
        log = al.MultiLogger(tmp_path / "run", recorder="thread", slabs=16 * MEBIBYTE)
        assert fill(log) == 2
        handle = log.loan("more", 2 * MEBIBYTE, "u1")
        entering = asyncio.create_task(handle.__aenter__())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not entering.done()
        while not entering.done():
            loop.now += 1.0
            await asyncio.sleep(0)
        with pytest.raises(al.WouldBlock, match=r"for 5 s 2 loans that no write has taken hold 8388608 of the 8388608 bytes"):
            await entering
        assert loop.now < 60
        log.write_nowait(0)
        with handle:
            pass
        log.write_nowait(1)
        log.close()

    loop = Still()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene(loop))
    assert [event.key for event in al.read(tmp_path / "run").events()] == ["x0", "x1", "more"]


async def test_writes_of_others_go_on_while_loans_hold_what_they_may(tmp_path: Path) -> None:
    """The other half of the memory comes round."""

    async def body(log: al.MultiLogger) -> None:
        keeper = log.at(1000)
        fill(keeper)
        for step in range(30):
            log.log_tensor("y", np.full(3 * MEBIBYTE, step, "u1"))
            log.log_scalar("loss", 0.5)
            await log.write(step)
        await keeper.write(1000)
        await all_comes_back(log)

    run = await asyncio.wait_for(recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE), 40)
    assert [int(event.value.data[-1]) for event in run.events(key="y")] == list(range(30))
    assert len(list(run.events(kind="tensor"))) == 32


@pytest.mark.parametrize("waits", [True, False])
async def test_a_write_of_loans_and_of_more_copies_than_there_is_memory(tmp_path: Path, waits: bool) -> None:
    """What was lent goes first, so that what is to be copied finds room."""

    async def body(log: al.MultiLogger) -> None:
        for at, size in enumerate((3, 7, 3, 7)):
            log.log_tensor(f"y{at}", np.full(size * MEBIBYTE, at, "u1"))
        assert fill(log) == 2
        log.log_scalar("loss", 0.5)
        async with asyncio.timeout(30):
            while True:
                try:
                    await log.write(0) if waits else log.write_nowait(0)
                    break
                except al.WouldBlock:
                    await asyncio.sleep(0.001)
        await all_comes_back(log)

    run = await recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE)
    found = [(event.key, int(event.value.data[-1])) for event in run.events(kind="tensor")]
    assert sorted(found) == [*((f"x{at}", at) for at in range(2)), *((f"y{at}", at) for at in range(4))]
    assert run.series("loss").value.tolist() == [0.5]


async def test_a_write_does_not_wait_for_the_memory_of_its_own_loan(tmp_path: Path) -> None:
    """With the smallest quota there is not enough beside it; it waited for ever."""
    async with al.MultiLogger(tmp_path / "run", slabs=16 << 20, recorder="thread") as log:
        for step in range(3):
            async with log.loan("loan", (5 << 20,), np.uint8) as array:
                array[:] = step
            for number, size in enumerate((2_100_000, 1_200_000, 1000)):
                log.log_tensor(f"copy{number}", np.full(size, step, np.uint8))
            log.log_scalar("x", float(step))
            await asyncio.wait_for(log.write(step), 20)
    run = al.read(tmp_path / "run")
    assert [len(list(run.series("x").step)), len(list(run.events("tensor")))] == [3, 12]
    assert all((event.value.data == event.step).all() for event in run.events("tensor"))


async def test_would_block_of_a_write_keeps_a_loan_pending(tmp_path: Path) -> None:
    """As often as it is refused; then it is recorded once."""
    gate = threading.Event()

    class Held:
        default_place = "thread"

        async def write(self, batch: al.Batch, /) -> None:
            gate.wait()

        async def aclose(self) -> None:
            pass

    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("first", np.zeros(3, "u1"))
        log.write_nowait(0)
        with log.loan("x", 3, "u1") as array:
            array[:] = 7
        entry = log.at(1)
        entry.log_tensor("held", np.zeros(3 * MEBIBYTE, "u1"))
        try:
            while True:
                entry.write_nowait(1)
                entry.log_tensor("held", np.zeros(3 * MEBIBYTE, "u1"))
        except al.WouldBlock:
            pass
        for _ in range(3):
            log.log_tensor("large", np.zeros(6 * MEBIBYTE, "u1"))
            with pytest.raises(al.WouldBlock):
                log.write_nowait(2)
        gate.set()
        await log.write(3)
        await entry.write(3)
        await all_comes_back(log)

    route = al.Route(Held(), name="held", overflow="block")
    run = await recorded(tmp_path / "run", body, sinks=[route], slabs=16 * MEBIBYTE)
    assert [event.value.data.tolist() for event in run.events(key="x")] == [[7, 7, 7]]
    assert len(list(run.events(key="large"))) == 3


async def test_memory_that_is_there_is_had_without_a_turn_or_a_thread(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        handle = log.loan("x", 2 * MEBIBYTE, "u1")
        with handle:
            pass
        await log.write(0)
        await all_comes_back(log)
        entering, leaving = handle.__aenter__(), handle.__aexit__(None, None, None)
        with pytest.raises(StopIteration):
            entering.send(None)
        with pytest.raises(StopIteration):
            leaving.send(None)
        await log.write(1)
        assert not [one.name for one in threading.enumerate() if one.name.startswith("asynclog-copy")]

    assert len(await recorded(tmp_path / "run", body)) == 2


async def test_the_loop_runs_on_while_memory_is_made(tmp_path: Path) -> None:
    """By a thread, which is kept busy here until the loop has turned a hundred times."""
    gate = threading.Event()

    async def body(log: al.MultiLogger) -> None:
        log._core.copier().submit(gate.wait)
        entering = asyncio.create_task(log.loan("x", 48 * MEBIBYTE, "u1").__aenter__())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not entering.done()
        gate.set()
        await entering

    await recorded(tmp_path / "run", body, slabs=256 * MEBIBYTE)


async def test_an_entering_that_is_cancelled_gives_back_what_it_gets(tmp_path: Path) -> None:
    gate = threading.Event()

    async def body(log: al.MultiLogger) -> None:
        handle = log.loan("x", 48 * MEBIBYTE, "u1")
        log._core.copier().submit(gate.wait)
        entering = asyncio.create_task(handle.__aenter__())
        await asyncio.sleep(0)
        entering.cancel()
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await all_comes_back(log)
        async with handle as array:
            array[:] = 1
        await log.write(0)

    assert len(await recorded(tmp_path / "run", body, slabs=256 * MEBIBYTE)) == 1


def test_a_handle_says_what_it_is() -> None:
    log = al.MultiLogger(None)
    handle = log.loan("camera", (3, 8, 8), np.uint8, kind="image", namespace="arm")
    assert repr(handle) == "<LoanHandle 'arm/camera': image of shape (3, 8, 8), uint8, free>"
    assert repr(log._core.loans) == "<LoanAccount: 0 loans, 0 of 536870912 bytes>"
