"""What other libraries make is recorded as its user sees it, brought by another thread where that takes long, and let go."""

import asyncio
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.normal.narrow import BITS
from asynclog.values import Mesh, Rollout, same_array
from tests.unit.logger.recording import recorded

random = np.random.default_rng(5)
COLOURS = random.integers(0, 256, (6, 7, 3)).astype(np.uint8)


async def one(path: Path, method: str, value: Any, **params: Any) -> Any:
    """What is read back of a value."""

    async def body(log: al.MultiLogger) -> None:
        getattr(log, method)("x", value, **params)
        await log.write(0)

    (event,) = (await recorded(path / "run", body, strict=True)).events()
    return event.value


# -- PIL -------------------------------------------------------------------------------------------------------------


async def test_an_image_file_is_decoded_by_another_thread(tmp_path: Path) -> None:
    """Image.open reads a file's head alone; what is left would be read on the loop, and the watch over it would tell."""
    pil = pytest.importorskip("PIL.Image")
    pil.fromarray(COLOURS).save(tmp_path / "picture.png")
    with await asyncio.to_thread(pil.open, tmp_path / "picture.png") as opened:
        found = await one(tmp_path, "log_image", opened)
    assert same_array(found.data, COLOURS)


@pytest.mark.parametrize("height", [1, 3, 4])
async def test_the_axes_of_a_picture_are_known_even_if_it_is_as_high_as_channels_are_many(tmp_path: Path, height: int) -> None:
    pil = pytest.importorskip("PIL.Image")
    given = COLOURS[:height]
    found = await one(tmp_path, "log_image", pil.fromarray(given), keep_resolution=True)
    assert found.layout == "HWC"
    assert same_array(found.canonical(), np.ascontiguousarray(given.transpose(2, 0, 1)))


async def test_pictures_in_lists_are_images_and_frames(tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    pictures = [pil.fromarray(COLOURS[:3]), pil.fromarray(COLOURS[3:])]
    images = await one(tmp_path / "a", "log_images", pictures)
    assert [same_array(data, given) for data, given in zip(images.data, (COLOURS[:3], COLOURS[3:]), strict=True)] == [True] * 2
    video = await one(tmp_path / "b", "log_video", pictures)
    assert video.layout == "THWC"
    assert same_array(video.canonical()[1], np.ascontiguousarray(COLOURS[3:].transpose(2, 0, 1)))
    labelled = await one(tmp_path / "c", "log_labeled_images", [(pictures[0], "one"), (pictures[1], "two")])
    assert labelled.captions == ["one", "two"]


async def test_a_palettes_numbers_are_colours_in_a_picture_and_classes_in_its_masks(tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    classes = random.integers(0, 5, (6, 7)).astype(np.uint8)
    palette = pil.fromarray(classes)
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 7, 7, 7])
    assert palette.mode == "P"
    found = await one(tmp_path, "log_image", palette, masks={"of": palette})
    assert same_array(found.masks["of"], classes)
    assert same_array(found.data, np.asarray(palette.convert("RGB")))


# -- matplotlib ------------------------------------------------------------------------------------------------------


async def test_a_figure_is_drawn_once_by_another_thread_and_let_go(tmp_path: Path) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    drawn_by: list[int] = []

    class Watched(figures.Figure):  # type: ignore[name-defined, misc]
        def draw(self, renderer: Any) -> None:
            drawn_by.append(threading.get_ident())
            super().draw(renderer)

    def painted() -> Watched:
        figure = Watched(figsize=(0.4, 0.2), dpi=100, facecolor="black")
        axes = figure.add_axes((0.5, 0, 0.5, 1), facecolor=(0.2, 0.4, 0.6), xticks=[], yticks=[], frame_on=True)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return figure

    async def body(log: al.MultiLogger) -> None:
        figure = painted()
        gone, before = weakref.ref(figure), figure.canvas
        log.log_image("x", figure)
        await log.write(0)
        assert figure.canvas is before
        del figure, before
        # The other thread lets go of it just after it told that it was done.
        for _ in range(1000):
            gc.collect()
            if gone() is None:
                return
            await asyncio.sleep(0)
        raise AssertionError(gc.get_referrers(gone()))

    (event,) = (await recorded(tmp_path / "run", body, strict=True)).events()
    assert event.value.data.shape == (20, 40, 4)
    assert event.value.layout == "HWC"
    assert event.value.data[10, 5].tolist() == [0, 0, 0, 255]
    assert event.value.data[10, 30].tolist() == [51, 102, 153, 255]
    assert len(drawn_by) == 1
    assert drawn_by[0] != threading.get_ident()


async def test_a_figure_of_pyplot_may_be_closed_once_it_was_written(tmp_path: Path) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")

    async def body(log: al.MultiLogger) -> None:
        for step in range(3):
            figure, axes = pyplot.subplots(figsize=(0.5, 0.5))
            axes.plot([0, step])
            log.log_image("x", figure)
            await log.write(step)
            pyplot.close(figure)

    run = await recorded(tmp_path / "run", body, strict=True)
    assert len(list(run.events())) == 3
    assert pyplot.get_fignums() == []


# -- JAX -------------------------------------------------------------------------------------------------------------


async def test_whole_numbers_of_jax_stay_whole(tmp_path: Path) -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        given = [jax.device_put(number) for number in (np.int64(2**53 + 1), np.int32(7), np.bool_(True), np.float64(0.1))]
    narrow = jax.numpy.bfloat16(1.5)

    async def body(log: al.MultiLogger) -> None:
        for step, number in enumerate([*given, narrow]):
            log.log_scalar("x", number)
            await log.write(step)

    found = [event.value for event in (await recorded(tmp_path / "run", body, strict=True)).events()]
    assert found == [2**53 + 1, 7, 1, 0.1, 1.5]
    assert [type(number) for number in found] == [int, int, int, float, float]


@pytest.mark.parametrize("method", ["log_scalar", "log_tensor"])
async def test_the_loop_runs_on_while_jax_still_computes(tmp_path: Path, method: str) -> None:
    """A loop that waited for it would next turn when it is ready."""
    jax = pytest.importorskip("jax")
    slow = jax.jit(lambda square: jax.lax.fori_loop(0, 500, lambda _, one: one @ square * 0.5, square).sum())
    square = jax.device_put(np.eye(400, dtype=np.float32) * 2)
    assert float(slow(square)) == 800

    async def body(log: al.MultiLogger) -> None:
        await log.write(0)
        number = slow(square)
        getattr(log, method)("x", number)
        writing = asyncio.create_task(log.write(1))
        turns = 0
        while not writing.done():
            await asyncio.sleep(0)
            turns += not number.is_ready()
        assert turns > 10

    (event,) = (await recorded(tmp_path / "run", body, strict=True)).events()
    assert (event.value if method == "log_scalar" else float(event.value.data)) == 800


async def test_what_jax_only_traces_or_has_let_go_is_refused(tmp_path: Path) -> None:
    jax = pytest.importorskip("jax")
    gone = jax.device_put(np.zeros(3))
    gone.delete()

    async def body(log: al.MultiLogger) -> None:
        def step(number: Any) -> Any:
            log.log_scalar("traced", number)
            log.log_tensor("traced array", number)
            return number

        jax.jit(step)(1.0)
        log.log_tensor("deleted", gone)
        log.log_scalar("fine", 0.5)
        await log.write(0)
        assert log.statistics()["invalid"] == 3

    run = await recorded(tmp_path / "run", body)
    assert run.series("fine").value.tolist() == [0.5]
    told = " ".join(event.value for event in run.events(kind="string"))
    assert all(f"'{key}'" in told for key in ("traced", "traced array", "deleted"))


# -- arrays elsewhere ------------------------------------------------------------------------------------------------


class OnDevice:
    """Says that it lies on a CUDA device, and comes to the host when it is asked to, as the array API has it."""

    def __init__(self, data: np.ndarray) -> None:
        self._held = torch.from_numpy(data)
        self.brought_by: list[int] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, *, dl_device: Any = None, **_: Any) -> Any:
        if dl_device is None or tuple(dl_device) != (1, 0):
            raise BufferError("this lies on a device")
        self.brought_by.append(threading.get_ident())
        return self._held.__dlpack__()


class LikeCuPy(OnDevice):
    """Refuses to be taken for an array of the host's, and gives one by ``get``."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def get(self) -> np.ndarray:
        self.brought_by.append(threading.get_ident())
        return self._held.numpy()


@pytest.mark.parametrize("kind", [OnDevice, LikeCuPy])
async def test_arrays_on_a_device_are_brought_by_another_thread_wherever_they_are_in_a_value(
    tmp_path: Path, kind: type[OnDevice]
) -> None:
    picture, points, inks = (kind(random.random(shape).astype(np.float32)) for shape in ((4, 5), (9, 3), (9, 3)))
    number = kind(np.array(0.25))

    async def body(log: al.MultiLogger) -> None:
        log.log_image("image", picture)
        log.log_images("images", [picture, picture])
        log.log_point_cloud("points", points, colors=inks)
        log.log_scalar("number", number)
        log.log({"value": al.Image(picture)})  # type: ignore[arg-type]
        log.log_rollout("rollout", {"messages": [], "logprobs": kind(np.zeros(3))})
        await log.write(0)

    run = await recorded(tmp_path / "run", body, strict=True)
    found = {event.key: event.value for event in run.events()}
    given = picture._held.numpy()
    assert all(same_array(data, given) for data in (found["image"].data, *found["images"].data, found["value"].data))
    assert same_array(found["points"].colors, inks._held.numpy())
    assert found["number"] == 0.25
    assert found["rollout"].logprobs.tolist() == [0.0] * 3
    threads = [*picture.brought_by, *points.brought_by, *inks.brought_by, *number.brought_by]
    assert len(threads) == 7
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("name", sorted(BITS))
async def test_narrow_floats_are_kept_as_their_bits_and_shown_as_their_numbers(tmp_path: Path, name: str) -> None:
    """Every code there is, of torch's and of ml_dtypes'."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    held = BITS[name]
    codes = np.arange(np.iinfo(held).max + 1).astype(held)
    tensor = torch.from_numpy(codes.view(np.int16 if held is np.uint16 else held)).view(getattr(torch, name))
    of_ml_dtypes = codes.view(getattr(ml_dtypes, name))
    for at, given in enumerate((tensor, of_ml_dtypes)):
        found = await one(tmp_path / str(at), "log_tensor", given)
        assert found.dtype == name
        assert same_array(found.data, codes)
        numbers = of_ml_dtypes.astype(np.float32)
        assert np.array_equal(found.canonical(), numbers, equal_nan=True)
        assert np.array_equal(np.signbit(found.canonical()), np.signbit(numbers)) or np.isnan(numbers).any()
    shown = await one(tmp_path / "image", "log_image", tensor.reshape(16, -1))
    assert np.array_equal(shown.data, numbers.reshape(16, -1), equal_nan=True)


async def test_integers_of_four_bits_come_back_in_eight(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    found = await one(tmp_path, "log_tensor", np.arange(-8, 8).astype(ml_dtypes.int4))
    assert same_array(found.data, np.arange(-8, 8, dtype=np.int8))


async def test_masked_numbers_are_nan(tmp_path: Path) -> None:
    found = await one(tmp_path, "log_tensor", np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]))
    assert same_array(found.data, np.array([1.0, np.nan, 3.0]))


async def test_a_sequence_of_tensors_is_one_array_of_them(tmp_path: Path) -> None:
    given = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0]) * 2]
    found = await one(tmp_path / "a", "log_tensor", given)
    assert same_array(found.data, np.array([[1, 2], [6, 8]], np.float32))
    narrow = await one(tmp_path / "b", "log_tensor", [tensor.bfloat16() for tensor in given])
    assert narrow.canonical().tolist() == [[1, 2], [6, 8]]
    assert narrow.dtype == "bfloat16"


# -- value objects ---------------------------------------------------------------------------------------------------


async def test_value_objects_may_hold_what_the_methods_take(tmp_path: Path) -> None:
    """A list where an array is said to be would be written, and read as damage."""
    given = {
        "image": al.Image(torch.ones(4, 5)),  # type: ignore[arg-type]
        "images": al.Image([torch.ones(4, 5), np.zeros((3, 3))]),  # type: ignore[arg-type]
        "audio": al.Audio([0.0, 0.5]),  # type: ignore[arg-type]
        "tensor": al.Tensor(torch.ones(2).bfloat16()),  # type: ignore[arg-type]
        "mesh": Mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]),  # type: ignore[arg-type]
        "rollout": Rollout(tokens=[1, 2], reward=np.float32(0.5), advantage=torch.tensor(0.25)),  # type: ignore[arg-type]
    }

    async def body(log: al.MultiLogger) -> None:
        log.log(given)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, strict=True)
    found = {event.key: event.value for event in run.events()}
    assert run.damage == []
    assert found["image"] == al.Image(np.ones((4, 5), np.float32))
    assert found["images"] == al.Image((np.ones((4, 5), np.float32), np.zeros((3, 3))))
    assert found["audio"] == al.Audio(np.array([0.0, 0.5]))
    assert found["tensor"] == al.Tensor(np.array([0x3F80] * 2, np.uint16), "bfloat16")
    assert found["mesh"] == Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    assert found["rollout"] == Rollout(tokens=np.array([1, 2]), reward=0.5, advantage=0.25)


# -- meshes ----------------------------------------------------------------------------------------------------------


class OfOpen3D:
    """Parts named as open3d names them: empty where there is nothing."""

    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)


async def test_meshes_and_clouds_of_open3d_have_other_names_for_their_parts(tmp_path: Path) -> None:
    corners, faces, inks = np.eye(3), np.array([[0, 1, 2]], np.int32), np.full((3, 3), 0.5)
    whole = OfOpen3D(vertices=corners, triangles=faces, vertex_normals=np.zeros((0, 3)), vertex_colors=inks)
    assert await one(tmp_path / "a", "log_mesh", whole) == Mesh(corners, faces, colors=inks)
    cloud = OfOpen3D(points=corners, colors=inks, normals=np.zeros((0, 3)))
    assert await one(tmp_path / "b", "log_point_cloud", cloud) == al.PointCloud(corners, inks)


async def test_what_is_said_beside_a_mesh_goes_before_what_it_holds(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    solid = trimesh.Trimesh(np.eye(3), [[0, 1, 2]], vertex_colors=[[9, 9, 9, 255]] * 3, process=False)
    inks = np.zeros((3, 3), np.uint8)
    found = await one(tmp_path, "log_mesh", solid, colors=inks)
    assert same_array(found.colors, inks)


async def test_normals_that_trimesh_would_compute_are_left_to_who_looks(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    found = await one(tmp_path, "log_mesh", trimesh.creation.box())
    assert found.normals is None
    assert np.allclose(np.linalg.norm(found.canonical().normals, axis=1), 1)
