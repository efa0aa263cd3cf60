"""Values as files, each read back by a program that is not ours."""

import io
import json
from typing import Any

import numpy as np
import pytest

from asynclog.encoding.media import media_extra
from asynclog.errors import InvalidValue
from asynclog.readers.export.media import ENCODERS, file_of, suffixes
from asynclog.values import (
    Artifact,
    Audio,
    Histogram,
    Hook,
    Image,
    Mesh,
    PointCloud,
    Record,
    Rollout,
    Spectrogram,
    Table,
    Tensor,
    Video,
)

RANDOM = np.random.default_rng(0)


def examples() -> list[Any]:
    """A value of every kind that can be a file."""
    return [
        Image(RANDOM.integers(0, 255, (3, 40, 50), dtype=np.uint8)),
        Audio(RANDOM.uniform(-1, 1, (2, 800)).astype(np.float32), 8000),
        Spectrogram(RANDOM.uniform(-1, 1, 4096).astype(np.float32), 8000),
        Video(RANDOM.integers(0, 255, (5, 3, 33, 41), dtype=np.uint8), 10.0),
        Histogram(np.arange(512), 0.0, 1.0, 512 * 511 // 2, 0.5, 0.1),
        PointCloud(RANDOM.standard_normal((30, 3)).astype(np.float32), RANDOM.integers(0, 255, (30, 3), dtype=np.uint8)),
        Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]])),
        Tensor(RANDOM.standard_normal((2, 3))),
        Table.of_rows(["step", "said"], [(1, "a"), (2, "b")]),
        Rollout([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}], tokens=np.arange(5), reward=1.0),
        Record("disk full", level=40, exception="Traceback …"),
        Hook("epoch_end"),
        Artifact("model.pt", 0, "0" * 64, 12_345),
        "text",
        {"lr": 0.1},
    ]


@pytest.mark.parametrize("value", examples(), ids=lambda one: type(one).__name__)
def test_every_kind_can_be_every_file_it_names(value: Any) -> None:
    pytest.importorskip("PIL")
    pytest.importorskip("av")
    pytest.importorskip("soundfile")
    assert suffixes(value)
    for suffix in suffixes(value):
        assert len(file_of(value, suffix)) > 0


def test_all_encoders_are_tried_here() -> None:
    assert {type(one) for one in examples()} == set(ENCODERS)


def test_a_picture_is_the_same_as_png() -> None:
    pillow = pytest.importorskip("PIL.Image")
    data = RANDOM.integers(0, 255, (3, 40, 50), dtype=np.uint8)
    shown = np.asarray(pillow.open(io.BytesIO(file_of(Image(data, keep_resolution=True), ".png"))))
    assert np.moveaxis(shown, -1, 0).tolist() == data.tolist()


def test_a_sound_is_the_same_as_wav_and_flac_to_sixteen_bits() -> None:
    soundfile = pytest.importorskip("soundfile")
    data = RANDOM.uniform(-1, 1, (2, 800)).astype(np.float32)
    for suffix in (".wav", ".flac"):
        heard, rate = soundfile.read(io.BytesIO(file_of(Audio(data, 8000), suffix)))
        assert rate == 8000
        assert np.abs(heard.T - data).max() < 2 / 32768


@pytest.mark.parametrize("shape", [(5, 3, 34, 42), (5, 1, 33, 41)])
def test_a_film_has_its_frames_its_rate_and_nearly_its_colours(shape: tuple[int, ...]) -> None:
    av = pytest.importorskip("av")
    data = np.zeros(shape, np.uint8)
    data[:] = np.arange(shape[0], dtype=np.uint8).reshape(-1, 1, 1, 1) * 50
    with av.open(io.BytesIO(file_of(Video(data, 10.0), ".mp4"))) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert float(film.streams.video[0].average_rate) == 10.0
    assert len(frames) == 5
    assert frames[0].shape[:2] == (34, 42)
    assert [abs(int(frame.mean()) - 50 * at) < 6 for at, frame in enumerate(frames)] == [True] * 5


def test_an_animation_has_its_frames() -> None:
    pillow = pytest.importorskip("PIL.Image")
    film = pillow.open(io.BytesIO(file_of(Video(np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * 100, 10.0), ".gif")))
    assert film.n_frames == 3


def ply(data: bytes) -> tuple[list[str], bytes]:
    """The lines of the head, and the rest."""
    head, _, body = data.partition(b"end_header\n")
    return head.decode().splitlines(), body


def test_a_cloud_is_written_with_all_its_points_not_only_those_drawn() -> None:
    points = RANDOM.standard_normal((5000, 3)).astype(np.float32)
    head, body = ply(file_of(PointCloud(points), ".ply"))
    assert "element vertex 5000" in head
    assert np.frombuffer(body, "<f4").reshape(-1, 3).tolist() == points.tolist()


def test_a_mesh_has_vertices_normals_and_faces() -> None:
    square = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32), np.array([[0, 1, 2], [0, 2, 3]]))
    head, body = ply(file_of(square, ".ply"))
    assert ["element vertex 4" in head, "element face 2" in head] == [True, True]
    vertices = np.frombuffer(body, "<f4", 4 * 6).reshape(4, 6)
    assert vertices[:, 3:].tolist() == [[0.0, 0.0, 1.0]] * 4
    assert len(body) == 4 * 24 + 2 * 13


def test_a_mesh_as_text_has_colours_normals_and_faces_that_count_from_one() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0.25, 1, 0]], np.float32)
    mesh = Mesh(corners, np.array([[0, 1, 2]]), colors=np.array([[255, 0, 0], [0, 51, 0], [0, 0, 0]], np.uint8))
    lines = file_of(mesh, ".obj").decode().splitlines()
    assert lines[:3] == ["v 0 0 0 1 0 0", "v 1 0 0 0 0.2 0", "v 0.25 1 0 0 0 0"]
    assert lines[3:] == ["vn 0 0 1"] * 3 + ["f 1//1 2//2 3//3"]


def test_a_cloud_as_text_is_a_point_a_line() -> None:
    points = RANDOM.standard_normal((2000, 3)).astype(np.float32)
    read = np.loadtxt(io.BytesIO(file_of(PointCloud(points), ".txt")))
    assert read.astype(np.float32).tolist() == points.tolist()
    coloured = PointCloud(points[:1], colors=np.array([[1, 20, 255]], np.uint8))
    assert file_of(coloured, ".txt").split()[3:] == [b"1", b"20", b"255"]


def test_numbers_come_back_bit_for_bit() -> None:
    data = RANDOM.standard_normal((3, 4)).astype(np.float16)
    assert np.load(io.BytesIO(file_of(Tensor(data), ".npy")), allow_pickle=False).tobytes() == data.tobytes()


def test_a_rollout_is_json_and_a_transcript() -> None:
    value = Rollout([{"role": "user", "content": "2+2?"}], tokens=np.array([1, 2]), reward=0.5)
    assert json.loads(file_of(value, ".json")) == {
        "messages": [{"role": "user", "content": "2+2?"}],
        "reward": 0.5,
        "tokens": [1, 2],
    }
    assert file_of(value, ".txt") == b"[user]\n2+2?"


def test_a_file_that_a_kind_cannot_be_is_refused_with_those_it_can() -> None:
    with pytest.raises(InvalidValue, match=r"\.wav, \.flac"):
        file_of(Audio(np.zeros(4)), ".mp4")


@pytest.mark.parametrize(
    ("value", "suffix"),
    [
        (Image(np.zeros((2, 3)), masks={"a": np.zeros((9, 9), int)}), ".png"),
        (PointCloud(np.zeros((4, 2))), ".png"),
        (Mesh(np.zeros((3, 3)), np.array([[0, 1, 3]])), ".ply"),
        (Mesh(np.zeros((3, 3)), np.array([[0, 1, -1]])), ".png"),
        (Audio(np.zeros((50, 50))), ".html"),
    ],
)
def test_what_a_file_calls_by_a_kind_and_is_none_is_refused_in_words(value: Any, suffix: str) -> None:
    with pytest.raises(InvalidValue, match="expected"):
        file_of(value, suffix)


def test_what_cannot_be_shown_can_still_be_had_as_it_is() -> None:
    assert np.load(io.BytesIO(file_of(Audio(np.zeros((50, 50))), ".npy"))).shape == (50, 50)


def test_a_library_that_is_missing_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(ImportError, match=r"PyAV: pip install 'asynclog-stream\[media\]'"), media_extra():
        raise ModuleNotFoundError("No module named 'av.codec'", name="av.codec")
    with pytest.raises(ModuleNotFoundError, match="another"), media_extra():
        raise ModuleNotFoundError("another", name="another")


def opened(data: bytes) -> np.ndarray:
    return np.asarray(pytest.importorskip("PIL.Image").open(io.BytesIO(data)))


def test_sound_space_and_distributions_have_a_picture_as_well() -> None:
    loud = np.concatenate([np.zeros(500), np.ones(500)]).astype(np.float32)
    waves = opened(file_of(Audio(loud), ".png"))
    assert waves.shape == (128, 512, 3)
    cloud = opened(file_of(PointCloud(RANDOM.standard_normal((30, 3)), labels=np.arange(30) % 2), ".png"))
    mesh = opened(file_of(Mesh(np.eye(3), np.array([[0, 1, 2]])), ".png"))
    for picture in (cloud, mesh):
        assert picture.shape == (300, 300, 3)
        assert picture.any()


def test_a_picture_with_masks_and_boxes_has_a_legend_below_it() -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[:20] = 1
    bare = Image(np.zeros((3, 40, 50), np.uint8), masks={"ground": mask}, keep_resolution=True)
    named = Image(bare.data, masks=bare.masks, mask_labels={"ground": {1: "road", 2: "never seen"}}, keep_resolution=True)
    assert opened(file_of(bare, ".png")).shape[:2] == (40, 50)
    shown = opened(file_of(named, ".png"))
    assert shown.shape[0] > 50
    ((ink, word),) = named.legend()
    assert word == "road"
    assert (shown[40:] == ink).all(axis=-1).sum() > 40


def test_boxes_keep_their_place_when_a_small_picture_is_shown_larger() -> None:
    boxed = Image(np.zeros((3, 25, 25), np.uint8), boxes=np.array([[5.0, 10.0, 20.0, 15.0]]))
    shown = opened(file_of(boxed, ".png"))
    assert shown.shape == (250, 250, 3)
    lit = shown.max(axis=-1) > 100
    assert (np.flatnonzero(lit.any(axis=1))[[0, -1]].tolist(), np.flatnonzero(lit.any(axis=0))[[0, -1]].tolist()) == (
        [100, 150],
        [50, 200],
    )


def test_a_legend_names_what_the_masks_hold_and_of_several_masks_which() -> None:
    half = np.array([[True, False]])
    one = Image(np.zeros((1, 2)), masks={"on": half}, mask_labels={"on": {1: "lit", 0: "dark"}})
    assert [word for _, word in one.legend()] == ["lit"]
    numbers = np.array([[2, 3]], np.uint8)
    two = Image(np.zeros((1, 2)), masks={"on": half, "class": numbers}, mask_labels={"on": {1: "lit"}, "class": {3: "car"}})
    assert [word for _, word in two.legend()] == ["on: lit", "class: car"]
    assert Image(np.zeros((1, 2)), masks={"on": half}).legend() == []
