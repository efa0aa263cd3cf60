"""What ml-starter's loggers did to values, rule by rule, from the call to what is shown; and how they broke, bug by bug.

Its rules were sound; each is here as "(given) is shown as (form)", or is refused with the shape that came. Of its bugs each has
a test that would fail here if it were made again.
"""

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from tests.unit.logger.recording import recorded

random = np.random.default_rng(11)


async def shown(path: Path, log_it: Callable[[al.MultiLogger], None]) -> Any:
    """The canonical form of what was logged, made from what is read back."""

    async def body(log: al.MultiLogger) -> None:
        log_it(log)
        await log.write(0)

    (event,) = (await recorded(path / "run", body)).events()
    # Drawing reads the system's fonts, which blocks; shown is what was read, by whoever looks, on no loop.
    return await asyncio.to_thread(event.value.canonical)


async def refusal(path: Path, log_it: Callable[[al.MultiLogger], None]) -> str:
    async def body(log: al.MultiLogger) -> None:
        log_it(log)
        await log.write(0)

    (event,) = (await recorded(path / "run", body)).events()
    assert (event.namespace, event.key) == ("asynclog", "invalid")
    return str(event.value)


def image(shape: tuple[int, ...], **params: Any) -> Callable[[al.MultiLogger], None]:
    return lambda log: log.log_image("x", np.zeros(shape, np.uint8), **params)


# -- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.25, 0.75], [64, 191]),
        ([0.0, 2.0], [0, 255]),
        ([-1.0, 1.0], [0, 255]),
        ([-3.0, 5.0, 1.0], [0, 255, 128]),
        ([0.0, 254.0, 127.0], [0, 255, 128]),
    ],
)
async def test_floats_are_scaled_from_min_of_0_and_the_smallest_to_max_of_1_and_the_largest(
    tmp_path: Path, given: list[float], expected: list[int]
) -> None:
    """So that a picture of 0 to 255 in floating point is shown whole, and one of 0.25 to 0.75 keeps its look."""
    made = await shown(tmp_path, lambda log: log.log_image("x", np.array([given], np.float32), keep_resolution=True))
    assert made[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ((240, 260), (1, 240, 260)),
        ((1, 240, 260), (1, 240, 260)),
        ((240, 260, 1), (1, 240, 260)),
        ((3, 240, 260), (3, 240, 260)),
        ((240, 260, 3), (3, 240, 260)),
    ],
)
async def test_images_chw_hwc_and_hw_are_shown_as_chw(tmp_path: Path, shape: tuple[int, ...], form: tuple[int, ...]) -> None:
    assert (await shown(tmp_path, image(shape))).shape == form


@pytest.mark.parametrize("shape", [(5,), (2, 9, 9), (9, 9, 2), (9, 3, 9), (2, 3, 9, 9), (3, 0, 9), ()])
async def test_any_other_shape_is_no_image(tmp_path: Path, shape: tuple[int, ...]) -> None:
    told = await refusal(tmp_path, image(shape))
    assert told.startswith("image 'x': expected (H, W), (C, H, W) or (H, W, C) with C of 1, 3 or 4")
    assert f"shape {shape}" in told


async def test_images_are_shown_at_about_250_squared_unless_their_resolution_is_kept(tmp_path: Path) -> None:
    height, width = (await shown(tmp_path / "a", image((3, 1000, 500)))).shape[1:]
    assert abs(height * width - 250**2) < 500
    assert abs(height / width - 2) < 0.02
    assert (await shown(tmp_path / "b", image((3, 1000, 500), keep_resolution=True))).shape == (3, 1000, 500)


async def test_images_are_tiled_near_square_row_by_row_with_sep_pixels_between(tmp_path: Path) -> None:
    shades = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 3, 2, 2), np.uint8)
    made = await shown(tmp_path / "a", lambda log: log.log_images("x", shades, sep=1, keep_resolution=True))
    assert made.shape == (3, 2 * 2 + 1, 3 * 2 + 2)
    assert made[0, ::3, ::3].tolist() == [[0, 1, 2], [3, 4, 0]]
    two = await shown(tmp_path / "b", lambda log: log.log_images("x", shades, max_images=2, keep_resolution=True))
    assert two.shape == (3, 2, 4)


async def test_labels_are_drawn_below_their_images(tmp_path: Path) -> None:
    picture = random.integers(0, 255, (3, 250, 250)).astype(np.uint8)
    made = await shown(tmp_path / "a", lambda log: log.log_labeled_image("x", (picture, "a cat")))
    assert (made[:, :250] == picture).all()
    assert made[:, 250:].max() > 200
    pairs = [(picture, "one"), (picture, "two")]
    both = await shown(tmp_path / "b", lambda log: log.log_labeled_images("x", pairs, sep=3, keep_resolution=True))
    assert both.shape[2] == 503


@pytest.mark.parametrize(
    ("shape", "form"), [((900,), (1, 900)), ((1, 900), (1, 900)), ((900, 2), (2, 900)), ((2, 900), (2, 900))]
)
async def test_audio_is_shown_as_channels_by_time(tmp_path: Path, shape: tuple[int, ...], form: tuple[int, ...]) -> None:
    assert (await shown(tmp_path, lambda log: log.log_audio("x", np.zeros(shape, np.float32)))).shape == form


@pytest.mark.parametrize(("peak", "level"), [(0.5, 0.5), (1.0, 1.0), (4.0, 1.0)])
async def test_audio_is_divided_by_its_peak_if_that_is_above_1(tmp_path: Path, peak: float, level: float) -> None:
    sound = np.array([0.0, -peak, peak / 2], np.float32)
    made = await shown(tmp_path, lambda log: log.log_audio("x", sound))
    assert made.tolist() == [[0.0, -level, level / 2]]


@pytest.mark.parametrize("shape", [(900, 90), (2, 9, 9), (), (0,), (2, 0)])
async def test_any_other_shape_is_no_audio(tmp_path: Path, shape: tuple[int, ...]) -> None:
    told = await refusal(tmp_path, lambda log: log.log_audio("x", np.zeros(shape, np.float32)))
    assert told.startswith("audio 'x': expected (T,), (C, T) or (T, C)")
    assert f"shape {shape}" in told


async def test_audios_are_heard_one_after_the_other_sep_ms_apart(tmp_path: Path) -> None:
    sounds = [np.ones(100, np.float32), np.ones(50, np.float32), np.ones(10, np.float32)]
    made = await shown(tmp_path, lambda log: log.log_audios("x", sounds, sample_rate=1000, sep_ms=20, max_audios=2))
    assert made.shape == (1, 100 + 20 + 50)


async def test_one_channel_can_be_selected_or_the_mean_of_all(tmp_path: Path) -> None:
    sound = np.array([[0.5] * 9, [0.25] * 9], np.float32)
    assert (await shown(tmp_path / "a", lambda log: log.log_audio("x", sound, channel=1)))[0, 0] == 0.25
    assert (await shown(tmp_path / "b", lambda log: log.log_audio("x", sound, channel="mean")))[0, 0] == 0.375
    told = await refusal(tmp_path / "c", lambda log: log.log_audio("x", sound, channel=2))
    assert "expected a channel among 0 to 1, got channel=2" in told


async def test_a_spectrogram_of_2_by_4096_is_513_by_17(tmp_path: Path) -> None:
    sound = random.standard_normal((2, 4096)).astype(np.float32)
    made = await shown(tmp_path, lambda log: log.log_spectrogram("x", sound, sample_rate=44100, n_fft_ms=32, hop_ms=8))
    assert made.shape == (513, 17)
    assert np.isfinite(made).all()


@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ((7, 30, 40), (7, 1, 30, 40)),
        ((7, 1, 30, 40), (7, 1, 30, 40)),
        ((7, 3, 30, 40), (7, 3, 30, 40)),
        ((7, 30, 40, 3), (7, 3, 30, 40)),
        ((7, 30, 40, 1), (7, 1, 30, 40)),
    ],
)
async def test_video_is_shown_as_tchw_at_12_frames_per_second(
    tmp_path: Path, shape: tuple[int, ...], form: tuple[int, ...]
) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_video("x", np.zeros(shape, np.uint8))
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body)).events()
    assert (event.value.canonical().shape, event.value.fps) == (form, 12.0)


@pytest.mark.parametrize("shape", [(9, 9), (3, 7, 9, 9), (7, 9, 3, 9), (7, 4, 9, 9), (2, 7, 3, 9, 9), (0, 3, 9, 9)])
async def test_any_other_shape_is_no_video(tmp_path: Path, shape: tuple[int, ...]) -> None:
    told = await refusal(tmp_path, lambda log: log.log_video("x", np.zeros(shape, np.uint8)))
    assert told.startswith("video 'x': expected (T, H, W), (T, C, H, W) or (T, H, W, C) with C of 1 or 3")
    assert f"shape {shape}" in told


@pytest.mark.parametrize("shape", [(5000, 3), (3, 5000), (2, 2500, 3), (2, 3, 2500)])
async def test_a_point_cloud_finds_the_axis_of_3_and_draws_1000_points_of_it(tmp_path: Path, shape: tuple[int, ...]) -> None:
    points = random.standard_normal(shape).astype(np.float32)
    made = await shown(tmp_path, lambda log: log.log_point_cloud("x", points))
    assert made.xyz.shape == (1000, 3)
    whole = points if shape[-1] == 3 else np.swapaxes(points, -1, -2)
    assert set(map(tuple, made.xyz.tolist())) <= set(map(tuple, whole.reshape(-1, 3).tolist()))


async def test_colors_stay_with_their_points(tmp_path: Path) -> None:
    points = np.arange(6000, dtype=np.float32).reshape(2000, 3)
    inks = (points % 251).astype(np.uint8)
    made = await shown(tmp_path, lambda log: log.log_point_cloud("x", points, colors=inks, max_points=50))
    assert (made.rgb == (made.xyz % 251).astype(np.uint8)).all()


@pytest.mark.parametrize("shape", [(9,), (9, 2), (9, 4), (2, 2, 9, 3)])
async def test_any_other_shape_is_no_point_cloud(tmp_path: Path, shape: tuple[int, ...]) -> None:
    told = await refusal(tmp_path, lambda log: log.log_point_cloud("x", np.zeros(shape, np.float32)))
    assert told.startswith("point_cloud 'x': expected (N, 3) or (N, 6), transposed, or with a batch in front")
    assert f"shape {shape}" in told


async def test_every_method_takes_a_callable(tmp_path: Path) -> None:
    """And calls it in the write."""
    givers: dict[str, Callable[[], Any]] = {
        "log_scalar": lambda: 1.0,
        "log_string": lambda: "text",
        "log_histogram": lambda: np.zeros(3),
        "log_image": lambda: np.zeros((4, 4)),
        "log_images": lambda: np.zeros((2, 4, 4)),
        "log_labeled_image": lambda: (np.zeros((4, 4)), "a"),
        "log_labeled_images": lambda: [(np.zeros((4, 4)), "a")],
        "log_audio": lambda: np.zeros(9),
        "log_audios": lambda: [np.zeros(9)],
        "log_spectrogram": lambda: np.zeros(9),
        "log_video": lambda: np.zeros((2, 4, 4)),
        "log_videos": lambda: [np.zeros((2, 4, 4))],
        "log_point_cloud": lambda: np.zeros((4, 3)),
    }

    async def body(log: al.MultiLogger) -> None:
        with log.namespace("net"):
            for method, make in givers.items():
                getattr(log, method)(method, make)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    assert {(event.namespace, event.key) for event in run.events()} == {("net", method) for method in givers}


# -- bugs ------------------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
import numpy as np
import asynclog as al

async def main():
    async with al.MultiLogger(sys.argv[1]) as log:
        log.log_labeled_image("x", (np.zeros((3, 999, 999)), "a caption"))
        log.log_histogram("x", np.zeros(100_000))
        log.log_spectrogram("x", np.zeros((2, 4096)))
        await log.write(0)

asyncio.run(main())
print(*sorted(set(sys.modules) & {"PIL", "asynclog.normal.draw", "asynclog.normal.histogram"}))
"""


async def test_nothing_is_scaled_drawn_or_counted_in_the_training_process(tmp_path: Path) -> None:
    """Everything ran in the training loop. What would do it is not even loaded there."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.split() == []
    assert len(list(al.read(tmp_path / "run").events())) == 3


@pytest.mark.parametrize("due", [True, False], ids=["due", "not due"])
async def test_a_closure_is_let_go_by_the_write_and_sees_no_later_change(tmp_path: Path, due: bool) -> None:
    """Closures were kept until a logger was due, with the tensors they held, and then saw what these had become."""
    memory = al.sinks.Memory()
    held: list[weakref.ref[np.ndarray]] = []

    async def body(log: al.MultiLogger) -> None:
        await log.write(al.State(0, elapsed_s=0.0))
        log.log_scalar("first", 1.0)
        await log.write(al.State(1, elapsed_s=0.0 if not due else 100.0))
        activations = np.zeros((8, 8), np.float32)
        held.append(weakref.ref(activations))

        def make(given: np.ndarray = activations) -> np.ndarray:
            return given

        log.log_image("x", make)
        await log.write(al.State(2, elapsed_s=1.0 if not due else 200.0))
        activations[...] = 7
        del activations, make
        gc.collect()
        assert held[0]() is None

    run = await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(50.0))
    assert [float(event.value.data.max()) for event in run.events(kind="image")] == ([0.0] if due else [])


async def test_what_falls_between_two_due_writes_is_kept(tmp_path: Path) -> None:
    """should_write gated the write alone, and numbers logged meanwhile were overwritten."""
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        for step in range(10):
            log.log_scalar("loss", float(step), reduce="sum")
            await log.write(al.State(step, elapsed_s=float(step)))

    run = await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(4.0))
    assert run.series("loss").value.tolist() == [float(step) for step in range(10)]
    assert sum(event.value for event in memory.events) == sum(range(10))


@pytest.mark.parametrize(
    ("reduction", "expected"), [("mean", 2.0), ("min", 2.0), ("max", 2.0), ("sum", 2.0), ("count", 1), ("last", 2.0)]
)
async def test_a_reduction_of_one_number_is_known(tmp_path: Path, reduction: str, expected: float) -> None:
    """The meter failed on its first scalar."""

    async def body(log: al.MultiLogger) -> None:
        log.log_scalar("x", 2.0, reduce=reduction)
        await log.write(0)

    assert (await recorded(tmp_path / "run", body)).series("x").value.tolist() == [expected]


async def test_batches_of_channels_last_video_and_of_audio_are_shown(tmp_path: Path) -> None:
    """They crashed."""
    clips = np.zeros((3, 5, 8, 10, 3), np.uint8)
    assert (await shown(tmp_path / "a", lambda log: log.log_videos("x", clips))).shape == (5, 3, 24, 10)
    sounds = np.zeros((3, 900, 2), np.float32)
    assert (await shown(tmp_path / "b", lambda log: log.log_audios("x", sounds))).shape == (2, 2700)


async def test_one_key_may_hold_values_of_every_kind(tmp_path: Path) -> None:
    """Of several kinds under one key all but one vanished."""

    async def body(log: al.MultiLogger) -> None:
        log.log_scalar("x", 1.0)
        log.log_string("x", "text")
        log.log_image("x", np.zeros((4, 4)))
        log.log_audio("x", np.zeros(9))
        log.log_video("x", np.zeros((2, 4, 4)))
        log.log_point_cloud("x", np.zeros((4, 3)))
        log.log_histogram("x", np.zeros(4))
        log.log_tensor("x", np.zeros(4))
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    kinds = {"scalar", "string", "image", "audio", "video", "point_cloud", "histogram", "tensor"}
    assert {event.kind for event in run.events()} == kinds


async def test_starting_again_at_step_0_deletes_nothing(tmp_path: Path) -> None:
    """A run at step 0 deleted the directory it found."""

    async def body(log: al.MultiLogger) -> None:
        log.log_scalar("x", 1.0)
        await log.write(0)

    await recorded(tmp_path / "run", body)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    run = await recorded(tmp_path / "run", body)
    assert run.series("x").value.tolist() == [1.0, 1.0]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


async def test_every_frame_of_a_video_is_scaled_by_the_range_of_all(tmp_path: Path) -> None:
    """Frames were scaled by the last one's."""
    clip = np.zeros((3, 8, 8), np.float32)
    clip[0], clip[1], clip[2] = 1.0, 10.0, 0.5
    made = await shown(tmp_path, lambda log: log.log_video("x", clip))
    assert made[:, 0, 0, 0].tolist() == [26, 255, 13]
