"""What is looked at and listened to: images, sound, spectrograms, videos. All are recorded as they were logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from asynclog.normal import audio, image, video
from asynclog.normal.layouts import Fault
from asynclog.values.value import Array, Value, as_long, numeric


def _first(*faults: Fault | None) -> Fault | None:
    return next((one for one in faults if one is not None), None)


def _mask_fault(name: str, mask: Array, size: tuple[int, ...]) -> Fault | None:
    if mask.shape != size:
        return Fault(f"masks of the image's {size}", f"{name!r} of shape {mask.shape}")
    found = numeric(mask, "biu")
    hint = "astype(int) makes them so"
    return None if found is None else Fault("masks of whole numbers or bool", f"{name!r} of {found.got}", hint)


def _boxes_fault(boxes: Array, width: int, fields: str) -> Fault | None:
    fits = boxes.ndim == 2 and boxes.shape[1] == width
    return None if fits else Fault(f"boxes of {fields}, (K, {width})", f"shape {boxes.shape}")


@dataclass(frozen=True, eq=False)
class Image(Value):
    """data: one image, or a batch, in ``layout``; several of different sizes are a tuple of arrays. uint8 0–255, other whole
    numbers, bool, or floating point.

    layout: "HW", "CHW", "HWC", with "N" in front of a batch; None: told from the shape, channels first where both ends could
    be. C is 1, 3 or 4. caption: of the whole; captions: one an image, drawn into it. keep_resolution: else it is shown at
    about 250² pixels. sep: pixels between the images of a batch; most: how many are shown.
    masks: name to (H, W) whole numbers; mask_labels: name to {number: word}. boxes: (K, 4) floats x0, y0, x1, y1 in pixels,
    with box_labels, K words, and box_scores (K,).
    """

    kind: ClassVar[str] = "image"
    TUPLES: ClassVar[frozenset[str]] = frozenset({"data"})
    data: Array | tuple[Array, ...]
    caption: str | None = None
    layout: str | None = None
    captions: list[str] | None = None
    keep_resolution: bool = False
    sep: int = 0
    most: int | None = None
    max_line_length: int | None = None
    centered: bool = True
    masks: Mapping[str, Array] = field(default_factory=dict)
    mask_labels: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    boxes: Array | None = None
    box_labels: list[str] | None = None
    box_scores: Array | None = None

    @property
    def batch(self) -> bool:
        """Whether there are several."""
        return not isinstance(self.data, np.ndarray) or (self.layout or "").startswith("N")

    def fault(self) -> Fault | None:
        if not isinstance(self.data, np.ndarray):
            return _first(
                Fault("images", "none of them") if not self.data else None,
                *(numeric(one) or image.fault(one.shape, self.layout) for one in self.data),
                as_long("captions", self.captions, len(self.data), "images"),
            )
        found = numeric(self.data) or image.fault(self.data.shape, self.layout, batch=self.batch)
        if found is not None:
            return found
        if self.batch:
            return as_long("captions", self.captions, len(self.data), "images")
        layout = self.layout or image.layout_of(self.data.shape) or "HW"
        size = tuple(self.data.shape[layout.index(axis)] for axis in "HW")
        boxes = 0 if self.boxes is None else len(self.boxes)
        return _first(
            as_long("captions", self.captions, 1, "images"),
            *(_mask_fault(name, mask, size) for name, mask in self.masks.items()),
            None if self.boxes is None else numeric(self.boxes) or _boxes_fault(self.boxes, 4, "x0, y0, x1, y1"),
            as_long("box_labels", self.box_labels, boxes, "boxes"),
            as_long("box_scores", self.box_scores, boxes, "boxes"),
        )

    def canonical(self) -> NDArray[np.uint8]:
        """(C, H, W) uint8, contiguous, C of 1, 3 or 4: scaled, captions drawn in, tiled, at about 250² pixels. Masks and boxes
        are left out: ``overlaid`` has them. Needs Pillow to shrink or to draw."""
        shown = image.pictures(self.data, self.layout, self.most)
        if self.captions is not None:
            shown = [
                self._captioned(image.fitted(one, keep_resolution=self.keep_resolution), text)
                for one, text in zip(shown, self.captions, strict=False)
            ]
            return shown[0] if len(shown) == 1 else image.mosaic(shown, self.sep)
        return image.canonical(shown, keep_resolution=self.keep_resolution, sep=self.sep)

    def overlaid(self, *, legend: bool = True) -> NDArray[np.uint8]:
        """(3, H, W) uint8 of a single image, scaled as ``canonical`` does, with masks and boxes drawn over it, and below it, if
        ``legend``, what the colours of its masks mean. Needs Pillow."""
        from asynclog.normal.draw import boxed, masked, with_legend

        shown = image.deepened(image.pictures(self.data, self.layout, 1)[0], 3)[:3]
        height, width = shown.shape[1:]
        for mask in self.masks.values():
            shown = masked(shown, mask)
        shown = image.fitted(shown, keep_resolution=self.keep_resolution)
        if self.boxes is not None:
            scale = np.tile([shown.shape[2] / width, shown.shape[1] / height], 2)
            shown = boxed(shown, self.boxes * scale, self.box_labels, self.box_scores)
        if legend and self.legend():
            shown = with_legend(shown, self.legend())
        return shown if not self.captions else self._captioned(shown, self.captions[0])

    def legend(self) -> list[tuple[tuple[int, int, int], str]]:
        """(colour, word) of each number that a mask has and ``mask_labels`` names; of several masks, "mask: word"."""
        from asynclog.normal.draw import colour

        found = []
        for name, mask in self.masks.items():
            words = {str(number): word for number, word in self.mask_labels.get(name, {}).items()}
            for number in map(int, np.unique(mask)):
                word = words.get(str(number))
                if word is not None and number != 0:
                    found.append((colour(number), f"{name}: {word}" if len(self.masks) > 1 else word))
        return found

    def _captioned(self, picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
        from asynclog.normal.draw import captioned

        return captioned(picture, text, max_line_length=self.max_line_length, centered=self.centered)


@dataclass(frozen=True, eq=False)
class Audio(Value):
    """data: one sound in ``layout``, floating point in [-1, 1] or whole numbers of their dtype's range; several are a tuple.

    layout: "T", "CT" or "TC"; None: told from the shape, the shorter axis being the channels. sample_rate: Hz. sep_ms: silence
    between several; most: how many are heard; channel: which one is, or "mean".
    """

    kind: ClassVar[str] = "audio"
    TUPLES: ClassVar[frozenset[str]] = frozenset({"data"})
    data: Array | tuple[Array, ...]
    sample_rate: int = 44100
    layout: str | None = None
    sep_ms: float = 0.0
    most: int | None = None
    channel: int | Literal["mean"] | None = None

    def fault(self) -> Fault | None:
        ones = (self.data,) if isinstance(self.data, np.ndarray) else self.data
        return _first(
            Fault("sounds", "none of them") if not ones else None,
            *(numeric(one, "iuf") or audio.fault(one.shape, self.layout, self.channel) for one in ones),
        )

    def canonical(self) -> NDArray[np.float32]:
        """(C, T) float32 in [-1, 1], C of 1 or 2; several one after the other."""
        ones = (self.data,) if isinstance(self.data, np.ndarray) else self.data[: self.most]
        sounds = [audio.canonical(one, self.layout, channel=self.channel) for one in ones]
        return sounds[0] if len(sounds) == 1 else audio.joined(sounds, self.sample_rate, self.sep_ms)


@dataclass(frozen=True, eq=False)
class Spectrogram(Value):
    """data: sound, as Audio's. n_fft_ms, hop_ms: length and distance of the windows in milliseconds, rounded down to a power of
    two of samples. sep_ms: between several; most: how many are shown. It is recorded as sound, and transformed when somebody
    looks."""

    kind: ClassVar[str] = "spectrogram"
    TUPLES: ClassVar[frozenset[str]] = frozenset({"data"})
    data: Array | tuple[Array, ...]
    sample_rate: int = 44100
    layout: str | None = None
    n_fft_ms: float = 32.0
    hop_ms: float = 8.0
    channel: int | Literal["mean"] | None = None
    sep_ms: float = 0.0
    most: int | None = None

    def fault(self) -> Fault | None:
        ones = (self.data,) if isinstance(self.data, np.ndarray) else self.data
        return _first(
            Fault("sounds", "none of them") if not ones else None,
            *(numeric(one, "iuf") or audio.fault(one.shape, self.layout, self.channel) for one in ones),
        )

    def canonical(self) -> NDArray[np.float32]:
        """log10 |STFT|: (n_fft / 2 + 1, 1 + T // hop) float32, the lowest frequency first; several one after the other, silence
        between."""
        ones = (self.data,) if isinstance(self.data, np.ndarray) else self.data[: self.most]
        lengths = audio.window_lengths(self.sample_rate, self.n_fft_ms, self.hop_ms)
        sounds = [audio.canonical(one, self.layout, channel=self.channel) for one in ones]
        return audio.side_by_side([audio.spectrogram(one, *lengths) for one in sounds], round(self.sep_ms / self.hop_ms))


@dataclass(frozen=True, eq=False)
class Video(Value):
    """data: one video in ``layout``, C of 1 or 3, dtypes as Image's; several are a tuple. fps: frames per second.

    layout: "THW", "TCHW" or "THWC"; None: told from the shape. sep: pixels between several; most: how many are shown; length:
    how many frames.
    """

    kind: ClassVar[str] = "video"
    TUPLES: ClassVar[frozenset[str]] = frozenset({"data"})
    data: Array | tuple[Array, ...]
    fps: float = video.FPS
    layout: str | None = None
    sep: int = 0
    most: int | None = None
    length: int | None = None

    def fault(self) -> Fault | None:
        ones = (self.data,) if isinstance(self.data, np.ndarray) else self.data
        return _first(
            Fault("videos", "none of them") if not ones else None,
            *(numeric(one) or video.fault(one.shape, self.layout) for one in ones),
        )

    def canonical(self) -> NDArray[np.uint8]:
        """(T, C, H, W) uint8, contiguous; all frames scaled by the same range, several side by side. Needs Pillow to shrink."""
        ones = (self.data,) if isinstance(self.data, np.ndarray) else self.data[: self.most]
        clips = [video.canonical(one, self.layout, most=self.length) for one in ones]
        return clips[0] if len(clips) == 1 else video.side_by_side(clips, self.sep)
