"""The ``log_*`` methods of every kind but numbers: they keep what they are given until the write.

An array is one of numpy, torch, JAX, or of anything that speaks DLPack, ``__array__`` or the buffer protocol; a list of numbers
will do. Where it says layout=, None tells the axes from the shape.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class Kinds:
    """Each takes a value as it is, or a callable, plain or async, that makes it if some route is due."""

    def _put(self, kind: str, key: str, value: Any, namespace: str | None, **params: Any) -> None:
        raise NotImplementedError

    # -- words ------------------------------------------------------------------------------------------------------

    def log_string(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """A str, or a callable that makes one."""
        self._put("string", key, value, namespace)

    def log_record(
        self,
        key: str,
        value: Any,
        *,
        level: int | None = None,
        logger: str | None = None,
        where: str | None = None,
        exception: str | None = None,
        fields: Mapping[str, Any] | None = None,
        namespace: str | None = None,
    ) -> None:
        """A line of a log: its message; level as logging's, 10 to 50; who said it, where ("file:line"), a traceback as text,
        and what else there is to it."""
        given = {"level": level, "logger": logger, "where": where, "exception": exception, "fields": fields}
        self._put("record", key, value, namespace, **given)

    def log_config(self, value: Any, *, key: str = "config", namespace: str | None = None) -> None:
        """The run's settings, nested as you like: a mapping, a dataclass, a Namespace of argparse, OmegaConf, pydantic, or an
        object with attributes."""
        self._put("config", key, value, namespace)

    # -- pictures ---------------------------------------------------------------------------------------------------

    def log_image(
        self,
        key: str,
        value: Any,
        *,
        layout: str | None = None,
        caption: str | None = None,
        keep_resolution: bool = False,
        masks: Mapping[str, Any] | None = None,
        mask_labels: Mapping[str, Mapping[int, str]] | None = None,
        boxes: Any = None,
        box_labels: Sequence[str] | None = None,
        box_scores: Any = None,
        namespace: str | None = None,
    ) -> None:
        """An image (H, W), (C, H, W) or (H, W, C), C of 1, 3 or 4; uint8 0–255, other whole numbers, bool or floating point; a
        PIL image; a matplotlib figure, which is drawn by another thread.

        masks: name to (H, W) whole numbers, with mask_labels, name to {number: word}. boxes: (K, 4) x0, y0, x1, y1 in pixels,
        with box_labels and box_scores, K each. keep_resolution: else it is shown at about 250² pixels.
        """
        given = {"layout": layout, "caption": caption, "keep_resolution": keep_resolution or None, "masks": masks}
        over = {"mask_labels": mask_labels, "boxes": boxes, "box_labels": box_labels, "box_scores": box_scores}
        self._put("image", key, value, namespace, **given, **over)

    def log_images(
        self,
        key: str,
        value: Any,
        *,
        layout: str | None = None,
        captions: Sequence[str] | None = None,
        max_images: int | None = None,
        sep: int = 0,
        keep_resolution: bool = False,
        namespace: str | None = None,
    ) -> None:
        """Several images, shown as a near-square mosaic: one array with the images along its first axis, or a list of images,
        whose sizes may differ. captions: one an image. max_images: how many are shown. sep: pixels between them."""
        given = {"layout": layout, "captions": captions, "most": max_images, "sep": sep}
        self._put("image", key, value, namespace, **given, keep_resolution=keep_resolution or None, several=True)

    def log_labeled_image(
        self,
        key: str,
        value: Any,
        *,
        layout: str | None = None,
        max_line_length: int | None = None,
        centered: bool = True,
        keep_resolution: bool = False,
        namespace: str | None = None,
    ) -> None:
        """(image, label): the label is drawn below the image, in any script that a font of the system has."""
        given = {"layout": layout, "max_line_length": max_line_length, "centered": centered}
        self._put("image", key, value, namespace, **given, keep_resolution=keep_resolution or None, labelled=True)

    def log_labeled_images(
        self,
        key: str,
        value: Any,
        *,
        layout: str | None = None,
        max_line_length: int | None = None,
        centered: bool = True,
        max_images: int | None = None,
        sep: int = 0,
        keep_resolution: bool = False,
        namespace: str | None = None,
    ) -> None:
        """Several (image, label), as a mosaic of images with their labels below; or (images, labels), images as log_images'."""
        given = {"layout": layout, "max_line_length": max_line_length, "centered": centered, "most": max_images, "sep": sep}
        kept = keep_resolution or None
        self._put("image", key, value, namespace, **given, keep_resolution=kept, labelled=True, several=True)

    # -- sound and film ---------------------------------------------------------------------------------------------

    def log_audio(
        self,
        key: str,
        value: Any,
        *,
        sample_rate: int = 44100,
        layout: str | None = None,
        channel: Any = None,
        namespace: str | None = None,
    ) -> None:
        """Sound (T,), (C, T) or (T, C), floating point in [-1, 1] or whole numbers of their dtype's range. sample_rate in Hz, a
        whole number > 0. channel: the one that is heard, or "mean"."""
        self._put("audio", key, value, namespace, sample_rate=sample_rate, layout=layout, channel=channel)

    def log_audios(
        self,
        key: str,
        value: Any,
        *,
        sample_rate: int = 44100,
        layout: str | None = None,
        channel: Any = None,
        max_audios: int | None = None,
        sep_ms: float = 0.0,
        namespace: str | None = None,
    ) -> None:
        """Several sounds, heard one after the other, sep_ms milliseconds apart: a list, or an array with them along its first
        axis."""
        given = {"sample_rate": sample_rate, "layout": layout, "channel": channel, "most": max_audios, "sep_ms": sep_ms}
        self._put("audio", key, value, namespace, **given, several=True)

    def log_spectrogram(
        self,
        key: str,
        value: Any,
        *,
        sample_rate: int = 44100,
        n_fft_ms: float = 32.0,
        hop_ms: float = 8.0,
        layout: str | None = None,
        channel: Any = None,
        namespace: str | None = None,
    ) -> None:
        """Sound, shown as log10 of its short-time Fourier transform: windows of n_fft_ms milliseconds, hop_ms apart, both
        rounded down to a power of two of samples. The sound is recorded, and transformed when somebody looks."""
        given = {"sample_rate": sample_rate, "n_fft_ms": n_fft_ms, "hop_ms": hop_ms, "layout": layout, "channel": channel}
        self._put("spectrogram", key, value, namespace, **given)

    def log_spectrograms(
        self,
        key: str,
        value: Any,
        *,
        sample_rate: int = 44100,
        n_fft_ms: float = 32.0,
        hop_ms: float = 8.0,
        layout: str | None = None,
        channel: Any = None,
        max_audios: int | None = None,
        sep_ms: float = 0.0,
        namespace: str | None = None,
    ) -> None:
        """Several sounds, their spectrograms side by side, sep_ms milliseconds apart: a list, or an array with them along its
        first axis."""
        given = {"sample_rate": sample_rate, "n_fft_ms": n_fft_ms, "hop_ms": hop_ms, "layout": layout, "channel": channel}
        self._put("spectrogram", key, value, namespace, **given, most=max_audios, sep_ms=sep_ms, several=True)

    def log_video(
        self,
        key: str,
        value: Any,
        *,
        fps: float = 12.0,
        layout: str | None = None,
        length: int | None = None,
        namespace: str | None = None,
    ) -> None:
        """A video (T, H, W), (T, C, H, W) or (T, H, W, C), C of 1 or 3, dtypes as log_image's. fps: frames per second, finite,
        > 0. length: how many frames are shown."""
        self._put("video", key, value, namespace, fps=fps, layout=layout, length=length)

    def log_videos(
        self,
        key: str,
        value: Any,
        *,
        fps: float = 12.0,
        layout: str | None = None,
        length: int | None = None,
        max_videos: int | None = None,
        sep: int = 0,
        namespace: str | None = None,
    ) -> None:
        """Several videos, shown side by side: a list, or an array with them along its first axis."""
        given = {"fps": fps, "layout": layout, "length": length, "most": max_videos, "sep": sep}
        self._put("video", key, value, namespace, **given, several=True)

    # -- space ------------------------------------------------------------------------------------------------------

    def log_point_cloud(
        self,
        key: str,
        value: Any,
        *,
        colors: Any = None,
        labels: Any = None,
        boxes: Any = None,
        box_labels: Sequence[str] | None = None,
        max_points: int | None = None,
        layout: str | None = None,
        namespace: str | None = None,
    ) -> None:
        """Points (N, 3), (N, 6) with r, g, b, transposed, or (B, N, 3). colors: (N, 3), uint8 or floating point in [0, 1].
        labels: (N,) whole numbers. boxes: (K, 9) centre, size, angles; box_labels: K. max_points: how many are drawn. Or a
        cloud of trimesh or open3d."""
        given = {"colors": colors, "labels": labels, "boxes": boxes, "box_labels": box_labels, "most": max_points}
        self._put("point_cloud", key, value, namespace, **given, layout=layout)

    def log_mesh(
        self,
        key: str,
        value: Any,
        *,
        faces: Any = None,
        normals: Any = None,
        colors: Any = None,
        namespace: str | None = None,
    ) -> None:
        """Vertices (V, 3) with faces (F, 3), whole numbers into them; normals (V, 3); colors (V, 3) or (V, 4). Or a mesh or a
        scene of trimesh, a mesh of open3d, or what names its parts as they do."""
        self._put("mesh", key, value, namespace, faces=faces, normals=normals, colors=colors)

    # -- data -------------------------------------------------------------------------------------------------------

    def log_histogram(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """The distribution of numbers of any shape; they are counted by the recorder; or a callable that makes them."""
        self._put("histogram", key, value, namespace)

    def log_tensor(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """An array of numbers of any shape, kept as it is, bfloat16 and float8 too; or a callable that makes it."""
        self._put("tensor", key, value, namespace)

    def log_rollout(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """One sample of reinforcement learning on language models: a ``Rollout``, or a mapping with its fields. Tokens and what
        belongs to each are arrays; lists of numbers will do, and cost the loop twice as much."""
        self._put("rollout", key, value, namespace)
