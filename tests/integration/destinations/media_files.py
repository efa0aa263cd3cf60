"""Files of media as the arrays they hold, by the libraries that everybody opens them with."""

import io
from typing import Any

import numpy as np


def picture(content: bytes) -> Any:
    """(C, H, W) of a PNG."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(content)))
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def sound(content: bytes) -> Any:
    """(C, T) float32 of a WAV."""
    import soundfile

    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0].T


def film(content: bytes) -> Any:
    """(T, C, H, W) of an MP4."""
    import av

    with av.open(io.BytesIO(content)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.moveaxis(np.stack(frames), -1, 1)


def vertices(content: bytes) -> Any:
    """(V, 3) of a GLB."""
    import trimesh

    return np.asarray(trimesh.load(io.BytesIO(content), file_type="glb", force="mesh").vertices)
