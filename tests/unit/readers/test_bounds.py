"""What a kind of file can't hold of a value: it is refused in words, or written as near as it can be and said so."""

import io
from typing import Any

import numpy as np
import pytest

from asynclog.encoding.bounds import note
from asynclog.errors import InvalidValue
from asynclog.readers.export.html import page
from asynclog.readers.export.media import file_of
from asynclog.values import Audio, Image, Tensor, Video

ONES = (np.arange(8, dtype=np.int16), np.arange(8, dtype=np.int16)[::-1])
CLIP = (np.arange(5, dtype=np.uint8) * 50).reshape(5, 1, 1, 1) * np.ones((1, 1, 34, 34), np.uint8)


def loaded(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


def test_several_of_one_shape_are_one_array_as_logged() -> None:
    """Numpy reads them back stacked, with the dtype they had."""
    assert loaded(file_of(Audio(ONES, 8000), ".npy")).tolist() == [one.tolist() for one in ONES]
    assert loaded(file_of(Audio(ONES, 8000), ".npy")).dtype == np.int16


@pytest.mark.parametrize(
    "several",
    [
        Video((np.zeros((4, 3, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))),
        Audio((np.zeros(3, np.int16), np.zeros(3, np.float32))),
    ],
    ids=["shapes", "dtypes"],
)
def test_several_of_different_forms_are_in_an_npz_alone(several: Video | Audio) -> None:
    """Stacking would change one of them, so .npy names .npz, which holds each."""
    with pytest.raises(InvalidValue, match=r"\.npz.*got \.npy, which is one array, not 2 of"):
        file_of(several, ".npy")
    held = loaded(file_of(several, ".npz"))
    assert [(held[name].shape, held[name].dtype) for name in held] == [(one.shape, one.dtype) for one in several.data]


def test_masks_and_boxes_are_left_to_the_npz() -> None:
    """A .npy of an image is the image; what lies over it is in the .npz."""
    mask = np.eye(4, dtype=np.int64)
    value = Image(np.arange(16.0).reshape(4, 4), masks={"class": mask}, boxes=np.array([[0.0, 1.0, 2.0, 3.0]]))
    assert loaded(file_of(value, ".npy")).tolist() == value.data.tolist()  # type: ignore[union-attr]
    held = loaded(file_of(value, ".npz"))
    assert sorted(held) == ["boxes", "data", "masks.class"]
    assert held["masks.class"].tolist() == mask.tolist()


@pytest.mark.parametrize("rate", [1, 65_535, 65_540, 655_350])
def test_a_rate_that_flac_can_say_is_written(rate: int) -> None:
    soundfile = pytest.importorskip("soundfile")
    assert soundfile.info(io.BytesIO(file_of(Audio(ONES[0], rate), ".flac"))).samplerate == rate


@pytest.mark.parametrize(("rate", "suffix"), [(65_537, ".flac"), (700_000, ".flac"), (2**32 - 1, ".flac"), (2**32 - 1, ".wav")])
def test_a_rate_that_a_file_cannot_say_is_refused_with_those_that_can(rate: int, suffix: str) -> None:
    """Without a word of the library's, and without naming a file that would refuse it too."""
    with pytest.raises(InvalidValue, match=rf"\.png.*got \{suffix}, which has at most .* Hz, .*not {rate:,}") as raised:
        file_of(Audio(ONES[0], rate), suffix)
    assert (".wav, " in raised.value.expected) == (rate < 2**31)


def test_a_page_of_a_sound_that_nothing_plays_says_so_and_shows_the_waves() -> None:
    pytest.importorskip("PIL")
    text = page(Audio(ONES[0], 2**32 - 1)).decode()
    assert "<audio" not in text
    assert "no player" in text
    assert "data:image/png" in text


@pytest.mark.parametrize(("fps", "shown"), [(1e9, 1000), (1000, 1000), (24, 24), (0.001, 0.001), (1e-9, 0.001)])
def test_every_frame_of_a_film_can_be_decoded_whatever_its_rate(fps: float, shown: float) -> None:
    """What an MP4 can't time is played at the nearest rate that it can."""
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(file_of(Video(CLIP, fps), ".mp4"))) as film:
        assert len(list(film.decode(video=0))) == len(CLIP)
        assert float(film.streams.video[0].average_rate) == pytest.approx(shown)
    said = note(Video(CLIP, fps), ".mp4")
    assert (said is None) == (fps == shown), "whoever saves it learns of it"


@pytest.mark.parametrize(("fps", "shown_ms"), [(1e9, 20), (100, 20), (50, 20), (12, 80), (0.001, 655_350)])
def test_an_animation_stays_within_what_its_frames_can_say(fps: float, shown_ms: int) -> None:
    pillow = pytest.importorskip("PIL.Image")
    film = pillow.open(io.BytesIO(file_of(Video(CLIP, fps), ".gif")))
    assert (film.n_frames, film.info["duration"]) == (len(CLIP), shown_ms)
    assert (note(Video(CLIP, fps), ".gif") is None) == (fps in (50, 12))


def test_a_still_that_outlasts_a_gif_is_refused_in_words() -> None:
    pytest.importorskip("PIL")
    with pytest.raises(InvalidValue, match=r"\.mp4.*got \.gif, which can't: 5 frames in a row are alike"):
        file_of(Video(np.zeros_like(CLIP), 0.001), ".gif")


@pytest.mark.parametrize("rate", ["8k", -1, 0, 0.5, None])
def test_a_rate_that_is_none_is_refused_and_the_samples_can_still_be_had(rate: Any) -> None:
    """A run's file may hold anything as a parameter."""
    with pytest.raises(InvalidValue, match=r"hold it: \.png, \.npy.*got \.wav, which has a whole number of Hz"):
        file_of(Audio(ONES[0], rate), ".wav")


@pytest.mark.parametrize("fps", [float("nan"), "12", None])
@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_whatever_a_library_has_against_a_value_is_told_with_the_files_that_can(fps: Any, suffix: str) -> None:
    pytest.importorskip("PIL")
    pytest.importorskip("av")
    with pytest.raises(InvalidValue, match=rf"expected a file that can hold it: .*\.npy.*got \{suffix}, which can't: "):
        file_of(Video(CLIP, fps), suffix)


def test_numbers_that_numpy_has_no_dtype_for_are_written_as_float32() -> None:
    """0x3FC0 is 1.5 in bfloat16; the closing line says what became of it."""
    value = Tensor(np.array([0x3FC0, 0xC000], np.uint16), "bfloat16")
    found = loaded(file_of(value, ".npy"))
    assert (found.dtype, found.tolist()) == (np.float32, [1.5, -2.0])
    assert note(value, ".npy") == "the numbers of bfloat16 as float32"


def test_bits_of_a_dtype_that_is_unknown_are_written_as_they_are() -> None:
    value = Tensor(np.array([7], np.uint8), "float6_e3m2")
    assert loaded(file_of(value, ".npy")).tolist() == [7]
    assert note(value, ".npy") == "the bits of float6_e3m2"
