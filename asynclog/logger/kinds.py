"""The ``log_*`` methods of every kind but numbers: they keep what they are given until the write."""

from typing import Any


class Kinds:
    """Each takes a value as it is, or a callable, plain or async, that makes it if some route is due."""

    def _put(self, kind: str, key: str, value: Any, namespace: str | None, **params: Any) -> None:
        raise NotImplementedError

    def log_string(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """A str, or a callable that makes one."""
        self._put("string", key, value, namespace)

    def log_image(self, key: str, value: Any, *, namespace: str | None = None, caption: str | None = None) -> None:
        """An image (C, H, W), C of 1, 3 or 4, or (H, W); uint8 0–255 or floating point; or a callable that makes one."""
        self._put("image", key, value, namespace, caption=caption)

    def log_audio(self, key: str, value: Any, *, sample_rate: int = 44100, namespace: str | None = None) -> None:
        """Sound (C, T) or (T,), floating point in [-1, 1] or integers; sample_rate in Hz, a whole number > 0; or a callable
        that makes it."""
        self._put("audio", key, value, namespace, sample_rate=sample_rate)

    def log_video(self, key: str, value: Any, *, fps: float = 12.0, namespace: str | None = None) -> None:
        """A video (T, C, H, W), C of 1 or 3, uint8 or floating point; fps in frames per second, finite, > 0; or a
        callable."""
        self._put("video", key, value, namespace, fps=fps)

    def log_histogram(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """The distribution of numbers of any shape; they are counted by the recorder; or a callable that makes them."""
        self._put("histogram", key, value, namespace)

    def log_point_cloud(self, key: str, value: Any, *, colors: Any = None, namespace: str | None = None) -> None:
        """Points (N, 3); colors (N, 3) uint8, if any; or a callable that makes the points."""
        self._put("point_cloud", key, value, namespace, colors=colors)

    def log_tensor(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """An array of numbers of any shape, kept as it is; or a callable that makes it."""
        self._put("tensor", key, value, namespace)

    def log_config(self, value: Any, *, key: str = "config", namespace: str | None = None) -> None:
        """The run's settings: a mapping, dataclass, or object with attributes; nested as you like."""
        self._put("config", key, value, namespace)
