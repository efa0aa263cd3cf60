"""Every kind, from numpy and torch, comes back as it was when ``write`` was called."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.values import same_array
from tests.unit.logger.recording import recorded

random = np.random.default_rng(7)


def noise(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return (random.standard_normal(shape) * 50).astype(dtype)


STRIDED = noise(3, 40, 60)[:, ::2, ::3]
TURNED = noise(30, 20, 3).transpose(2, 0, 1)
BIG_ENDIAN = noise(3, 4, 4).astype(">f4")
READ_ONLY = noise(3, 4, 4)
READ_ONLY.flags.writeable = False

ARRAYS: dict[str, Any] = {
    "float32": noise(3, 8, 8),
    "float64": noise(3, 8, 8, dtype=np.float64),
    "float16": noise(3, 8, 8, dtype=np.float16),
    "uint8": noise(3, 8, 8, dtype=np.uint8),
    "strided": STRIDED,
    "transposed": TURNED,
    "negative strides": noise(3, 8, 8)[:, ::-1, ::-1],
    "broadcast": np.broadcast_to(np.float32(0.5), (3, 4, 4)),
    "read-only": READ_ONLY,
    "bool": noise(3, 4, 4) > 0,
    "NaN and infinities": np.array([[[np.nan, np.inf], [-np.inf, -0.0]]], np.float32),
    "list": [[1.5, 2.5], [3.5, 4.5]],
    "torch float32": torch.from_numpy(noise(3, 8, 8)),
    "torch strided": torch.from_numpy(noise(3, 40, 60))[:, ::2, ::3],
    "torch float16": torch.from_numpy(noise(3, 8, 8)).half(),
    "torch requires_grad": torch.from_numpy(noise(3, 8, 8)).requires_grad_(),
    "torch not a leaf": torch.from_numpy(noise(3, 8, 8)).requires_grad_() * 2,
    "torch uint8": torch.from_numpy(noise(3, 8, 8, dtype=np.uint8)),
    "torch int64": torch.from_numpy(noise(3, 8, 8, dtype=np.int64)),
}


def as_numpy(given: Any) -> np.ndarray:
    return given.detach().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_images_and_tensors_come_back_bit_for_bit(tmp_path: Path, recorder: str) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step, (name, given) in enumerate(ARRAYS.items()):
            log.log_image(name, given, caption=name)
            log.log_tensor(name, given)
            await log.write(step)

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    images = {event.key: event.value for event in run.events(kind="image")}
    tensors = {event.key: event.value for event in run.events(kind="tensor")}
    for name, given in ARRAYS.items():
        assert same_array(images[name].data, as_numpy(given)), name
        assert images[name].caption == name
        assert same_array(tensors[name].data, as_numpy(given)), name


async def test_bfloat16_comes_back_as_the_float32_of_equal_value(tmp_path: Path) -> None:
    """numpy has no bfloat16; float32 holds every one of its values."""
    given = torch.from_numpy(noise(3, 8, 8)).bfloat16()

    async def body(log: al.MultiLogger) -> None:
        log.log_image("frame", given)
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body)).events()
    assert same_array(event.value.data, given.float().numpy())


async def test_big_endian_arrays_keep_their_values(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("x", BIG_ENDIAN)
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body)).events()
    assert (event.value.data == BIG_ENDIAN).all()


@pytest.mark.parametrize(
    "given",
    [
        np.float64(1.5),
        np.zeros((0, 5)),
        noise(2, 3, 4, 5, 6),
        noise(4, 4).astype(np.complex64),
        torch.tensor([1 + 2j]).conj(),
        np.arange(5, dtype=np.uint16),
    ],
    ids=["no dimensions", "empty", "5 dimensions", "complex", "conjugate view", "uint16"],
)
async def test_tensors_of_any_shape_come_back(tmp_path: Path, given: Any) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("x", given)
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body)).events()
    expected = given.resolve_conj().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
    assert same_array(event.value.data, expected)


OTHERS: list[tuple[str, Callable[[al.MultiLogger], None], Any]] = [
    ("audio", lambda log: log.log_audio("x", SOUND, sample_rate=8000), lambda: al.Audio(SOUND, 8000)),
    ("audio", lambda log: log.log_audio("x", torch.from_numpy(SOUND[0])), lambda: al.Audio(SOUND[0], 44100)),
    ("audio", lambda log: log.log_audio("x", PCM, sample_rate=16000), lambda: al.Audio(PCM, 16000)),
    ("video", lambda log: log.log_video("x", FILM, fps=30), lambda: al.Video(FILM, 30.0)),
    ("audio", lambda log: log.log_audio("x", PCM, sample_rate=np.float32(16000)), lambda: al.Audio(PCM, 16000)),
    ("video", lambda log: log.log_video("x", FILM, fps=np.float32(0.5)), lambda: al.Video(FILM, 0.5)),
    ("video", lambda log: log.log_video("x", torch.from_numpy(FILM)[::2]), lambda: al.Video(FILM[::2], 12.0)),
    ("point_cloud", lambda log: log.log_point_cloud("x", CLOUD), lambda: al.PointCloud(CLOUD)),
    (
        "point_cloud",
        lambda log: log.log_point_cloud("x", torch.from_numpy(CLOUD), colors=torch.from_numpy(COLORS)),
        lambda: al.PointCloud(CLOUD, COLORS),
    ),
    ("image", lambda log: log.log_image("x", GREY), lambda: al.Image(GREY)),
    ("image", lambda log: log.log_image("x", al.Image(GREY, caption="c")), lambda: al.Image(GREY, "c")),
    ("string", lambda log: log.log_string("x", "Grüße \0 🙂"), lambda: "Grüße \0 🙂"),
    ("string", lambda log: log.log_string("x", ""), lambda: ""),
    ("string", lambda log: log.log_string("x", "x" * 3_000_000), lambda: "x" * 3_000_000),
]
SOUND, PCM, FILM = noise(2, 500) / 100, noise(400, dtype=np.int16), noise(6, 3, 8, 10, dtype=np.uint8)
CLOUD, COLORS, GREY = noise(100, 3), noise(100, 3, dtype=np.uint8), noise(8, 8, dtype=np.uint8)


@pytest.mark.parametrize(("kind", "log_it", "expected"), OTHERS, ids=[f"{at}-{one[0]}" for at, one in enumerate(OTHERS)])
async def test_other_kinds_come_back(tmp_path: Path, kind: str, log_it: Any, expected: Any) -> None:
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        log_it(log)
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body, sinks=[memory])).events()
    assert event.kind == kind
    assert event.value == expected()
    assert memory.events[0].value == expected()


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_histograms_are_counted_on_the_way(tmp_path: Path, recorder: str) -> None:
    given = noise(1000, 10)
    given[0, :4] = [np.nan, np.inf, np.inf, -np.inf]

    async def body(log: al.MultiLogger) -> None:
        log.log_histogram("weights", given)
        log.log_histogram("torch", torch.from_numpy(given).requires_grad_())
        log.log_histogram("empty", np.zeros(0))
        log.log_histogram("constant", np.full((3, 3), 2, np.int32))
        await log.write(0)

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    found = {event.key: event.value for event in run.events(kind="histogram")}
    finite = given[np.isfinite(given)].astype(np.float64)
    for name in ("weights", "torch"):
        one = found[name]
        assert (one.count, one.nans, one.above, one.below) == (10_000, 1, 2, 1)
        assert one.counts.sum() == finite.size
        assert (one.low, one.high) == (finite.min(), finite.max())
        assert one.mean == pytest.approx(finite.mean())
        assert one.std == pytest.approx(finite.std())
    assert found["empty"].count == 0
    assert (found["constant"].low, found["constant"].high, found["constant"].count) == (2.0, 2.0, 9)


async def test_a_config_comes_back_nested_and_plain(tmp_path: Path) -> None:
    class Options:
        def __init__(self) -> None:
            self.rate, self.layers = 0.1, (64, 64)

    given = {"seed": 1, "options": Options(), "path": Path("/data"), "big": 2**70, "none": None, "n": np.int32(3)}

    async def body(log: al.MultiLogger) -> None:
        log.log_config(given)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, config={"lr": 0.5})
    assert run.config == {
        "lr": 0.5,
        "seed": 1,
        "options": {"rate": 0.1, "layers": [64, 64]},
        "path": "/data",
        "big": str(2**70),
        "none": None,
        "n": 3,
    }


async def test_a_config_is_recorded_though_nothing_else_is(tmp_path: Path) -> None:
    async def body(_: al.MultiLogger) -> None:
        pass

    assert (await recorded(tmp_path / "run", body, config={"lr": 0.5})).config == {"lr": 0.5}


async def test_media_logged_twice_under_one_key_are_all_kept(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        for shade in range(3):
            log.log_image("frame", np.full((2, 2), shade, np.uint8))
        log.log_scalar("frame", 0.5)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    assert [int(event.value.data[0, 0]) for event in run.events(kind="image")] == [0, 1, 2]
    assert run.series("frame").value.tolist() == [0.5]


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_the_caller_may_overwrite_its_arrays_as_soon_as_write_returns(tmp_path: Path, recorder: str) -> None:
    """One buffer for all steps, small ones copied on the loop and large ones beside it."""
    small, large = np.zeros((3, 16, 16), np.uint8), np.zeros(2_000_000, np.uint8)
    tensor = torch.zeros(1000)

    async def body(log: al.MultiLogger) -> None:
        for step in range(40):
            small[...], large[...] = step, step
            tensor.fill_(step)
            log.log_image("small", small)
            log.log_tensor("large", large)
            log.log_tensor("torch", tensor)
            await log.write(step)
            small[...], large[...] = 255, 255
            tensor.fill_(-1)

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    found = [(event.step, event.value.data) for event in run.events()]
    assert len(found) == 120
    assert all((data == step).all() for step, data in found)


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_numbers_beyond_a_blob_part_are_counted_like_any_other(tmp_path: Path, recorder: str) -> None:
    given = np.zeros(70 << 20, np.uint8)
    given[::2] = 255

    async def body(log: al.MultiLogger) -> None:
        log.log_histogram("x", given)
        log.log_scalar("after", 1.0)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    (event,) = run.events(kind="histogram")
    assert (event.value.count, event.value.low, event.value.high, event.value.mean) == (given.size, 0, 255, 127.5)
    assert run.damage == []
    assert run.missing == 0


@pytest.mark.parametrize("recorder", ["thread", "process"])
@pytest.mark.parametrize("mebibytes", [5, 80])
async def test_large_arrays_come_back_whole(tmp_path: Path, recorder: str, mebibytes: int) -> None:
    """Those beyond a BLOB part travel in several."""
    given = np.arange(mebibytes << 17, dtype=np.uint64)

    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("x", given)
        log.log_scalar("after", 1.0)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    (event,) = run.events(kind="tensor")
    assert np.array_equal(event.value.data, given)
    assert run.damage == []
    assert run.missing == 0
