"""A value as a file that other programs open: PNG, WebP, WAV, FLAC, MP4, GIF, PLY, GLB, OBJ, NPY, NPZ, CSV, JSON, text.

A table says which kind can be which, the customary one first. Vendors' libraries are imported when they are used; what is
missing is named together with the extra that has it.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.encoding.artifact import artifact_facts, artifact_line
from asynclog.encoding.bounds import film_rate, gif_delay, obstacle
from asynclog.encoding.conversation import conversation
from asynclog.encoding.glb import cloud_glb, mesh_glb
from asynclog.encoding.obj import cloud_text, mesh_obj
from asynclog.encoding.ply import cloud_ply, mesh_ply
from asynclog.errors import AsynclogError, InvalidValue
from asynclog.normal import plot, view
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
    Value,
    Video,
)

Encode = Callable[[Any], bytes]
Encoders = Mapping[type, Mapping[str, Encode]]
_LIBRARIES: Final = {
    "PIL": ("Pillow", "media"),
    "av": ("PyAV", "media"),
    "soundfile": ("soundfile", "media"),
    "trimesh": ("trimesh", "mesh"),
}
_AS_IT_IS: Final = (".npy", ".npz", ".json", ".txt")


def file_of(value: Any, suffix: str, encoders: "Encoders | None" = None) -> bytes:
    """The bytes of a file of ``suffix`` (".png") that shows ``value``. encoders: instead of this module's own. Raises
    InvalidValue, naming those that could; ImportError naming the extra."""
    form, encoders = suffix.lower(), encoders or ENCODERS
    encode = encoders.get(type(value), {}).get(form)
    if encode is None:
        can = ", ".join(encoders.get(type(value), ())) or "none"
        raise InvalidValue(kind=_kind(value), expected=f"one of the files that show it: {can}", got=suffix or "no suffix")
    if form not in _AS_IT_IS:
        checked(value)
    with written(value, form, encoders):
        why = obstacle(value, form)
        if why is not None:
            raise _refused(value, form, why, encoders)
        return encode(value)


@contextmanager
def written(value: Any, suffix: str, encoders: Encoders) -> Iterator[None]:
    """Whatever a library has against writing a value becomes an InvalidValue that names the other files, of those that there
    are encoders for. What a run holds is not trusted, and each library has errors of its own."""
    try:
        # Infinities are data here, and nobody wants to hear of them in numpy's words.
        with media_extra(), np.errstate(all="ignore"):
            yield
    except (AsynclogError, ImportError):
        raise
    except Exception as error:
        why = f"which can't: {' '.join(str(error).split()) or type(error).__name__}"
        raise _refused(value, suffix, why, encoders) from error


def _refused(value: Any, suffix: str, why: str, encoders: Encoders) -> InvalidValue:
    can = ", ".join(one for one in encoders.get(type(value), ()) if one != suffix and obstacle(value, one) is None)
    return InvalidValue(kind=_kind(value), expected=f"a file that can hold it: {can or 'none'}", got=f"{suffix}, {why}")


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, Value) else type(value).__name__


@contextmanager
def media_extra() -> Iterator[None]:
    """A missing library of pictures, sound, film or meshes becomes an ImportError that names the extra which brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        named, extra = _LIBRARIES.get((error.name or "").partition(".")[0], (None, ""))
        if named is None:
            raise
        raise ImportError(f"this needs {named}: pip install 'asynclog-stream[{extra}]'") from error


def checked(value: Any) -> None:
    """Raises InvalidValue if this can't be shown as what it is called: a file may hold anything under a kind's name."""
    fault = value.fault() if isinstance(value, Value) else None
    if fault is not None:
        assert isinstance(value, Value)
        raise InvalidValue(kind=value.kind, expected=fault.expected, got=fault.got)


def suffixes(value: Any) -> tuple[str, ...]:
    """The suffixes a value can be written with, the customary one first."""
    return tuple(ENCODERS.get(type(value), ()))


# -- pictures -----------------------------------------------------------------------------------------------------------


def png(picture: NDArray[np.uint8]) -> bytes:
    """(C, H, W) uint8, C of 1, 3 or 4, as PNG."""
    return _picture(picture, "PNG")


def webp(picture: NDArray[np.uint8]) -> bytes:
    """(C, H, W) uint8, C of 1, 3 or 4, as WebP without loss: a quarter smaller than PNG; grey becomes RGB."""
    return _picture(picture, "WEBP", lossless=True)


def _picture(picture: NDArray[np.uint8], form: str, **settings: Any) -> bytes:
    from PIL import Image as Pillow

    data = picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)
    file = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(data)).save(file, form, **settings)
    return file.getvalue()


def shown(value: Image) -> NDArray[np.uint8]:
    """(C, H, W) uint8: the image, with masks and boxes over it where it has some."""
    return value.overlaid() if value.boxes is not None or value.masks else value.canonical()


def shown_spectrogram(value: Spectrogram) -> NDArray[np.uint8]:
    """(3, H, W) uint8: the lowest frequency at the bottom."""
    return plot.heat(value.canonical()[::-1])


def _bars(value: Histogram) -> bytes:
    """The counts, and below them in words what they count and between which bounds."""
    from asynclog.normal.draw import captioned

    said = f"{value.low:.4g} … {value.high:.4g}    {value.count:,} values    {value.mean:.4g} ± {value.std:.4g}"
    return png(captioned(plot.bars(value.counts), said))


def _waves(value: Audio) -> bytes:
    return png(plot.waves(value.canonical()))


def _cloud_view(value: PointCloud) -> bytes:
    points = value.canonical()
    return png(view.cloud(points.xyz, view.tints(*points), value.boxes))


def _mesh_view(value: Mesh) -> bytes:
    mesh = value.canonical()
    assert mesh.normals is not None
    return png(view.surface(mesh.vertices, mesh.faces, mesh.normals, mesh.colors))


# -- sound and film -----------------------------------------------------------------------------------------------------


def _wav(value: Audio) -> bytes:
    return _sound(value, "WAV", "PCM_16")


def _flac(value: Audio) -> bytes:
    return _sound(value, "FLAC", "PCM_16")


def _sound(value: Audio, container: str, subtype: str) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, value.canonical().T, value.sample_rate, format=container, subtype=subtype)
    return file.getvalue()


def _mp4(value: Video) -> bytes:
    """H.264 in yuv420p, which every browser plays; an odd edge is repeated, since its colour is stored for two pixels."""
    import av

    clip = value.canonical()
    clip = np.pad(clip, ((0, 0), (0, 0), (0, clip.shape[2] % 2), (0, clip.shape[3] % 2)), mode="edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=film_rate(value.fps))
        stream.height, stream.width = clip.shape[2:]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"}
        for picture in clip:
            colour = np.broadcast_to(np.moveaxis(picture, 0, -1), (*picture.shape[1:], 3))
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(colour), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue()


def _gif(value: Video) -> bytes:
    from PIL import Image as Pillow

    clip = value.canonical()
    frames = [Pillow.fromarray(np.ascontiguousarray(one[0] if len(one) == 1 else np.moveaxis(one, 0, -1))) for one in clip]
    if clip.shape[1] > 1:
        # Pillow's own choice of 256 colours takes 25 ms for a frame of 128 by 128, this one less than 1, and is off by as much.
        frames = [one.quantize(256, Pillow.Quantize.FASTOCTREE, dither=Pillow.Dither.NONE) for one in frames]
    file = io.BytesIO()
    # Pillow makes one long frame of those that are alike.
    changes = np.flatnonzero(np.concatenate([[True], (clip[1:] != clip[:-1]).any(axis=(1, 2, 3)), [True]]))
    shown_ms = 10 * gif_delay(value.fps, int(np.diff(changes).max()))
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=shown_ms, loop=0)
    return file.getvalue()


# -- numbers and words --------------------------------------------------------------------------------------------------


def npy(data: NDArray[Any]) -> bytes:
    """An array as NumPy's own file, never pickled."""
    file = io.BytesIO()
    np.save(file, data, allow_pickle=False)
    return file.getvalue()


def _raw(value: Any) -> bytes:
    """The data as logged, without what lies over it; several of one shape behind one another."""
    return npy(value.data if isinstance(value.data, np.ndarray) else np.stack(value.data))


def _tensor_npy(value: Tensor) -> bytes:
    """Where numpy has no such dtype, the numbers as float32."""
    return npy(value.data if value.fault() is not None else value.canonical())


def _npz(value: Value) -> bytes:
    file = io.BytesIO()
    arrays: Mapping[str, Any] = value.arrays()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _table_csv(value: Table) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(value.columns)
    writer.writerows(value.canonical())
    return file.getvalue().encode()


def _rollout_json(value: Rollout) -> bytes:
    arrays = {name: array.tolist() for name, array in value.arrays().items()}
    return _json({**value.params(), **arrays})


def _rollout_text(value: Rollout) -> bytes:
    """The messages, each under its role."""
    return "\n\n".join(
        "\n".join([f"[{one.role}]", one.text, *(f"→ {name}({words})" for name, words in one.calls)]).rstrip()
        for one in conversation(value)
    ).encode()


def _record_text(value: Record) -> bytes:
    return "\n".join(filter(None, [value.message, value.exception])).encode()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode()


ENCODERS: Final[Encoders] = {
    Image: {".png": lambda value: png(shown(value)), ".webp": lambda value: webp(shown(value)), ".npy": _raw, ".npz": _npz},
    Audio: {".wav": _wav, ".flac": _flac, ".png": _waves, ".npy": _raw, ".npz": _npz},
    Spectrogram: {
        ".png": lambda value: png(shown_spectrogram(value)),
        ".webp": lambda value: webp(shown_spectrogram(value)),
        ".npy": lambda value: npy(value.canonical()),
    },
    Video: {".mp4": _mp4, ".gif": _gif, ".npy": _raw, ".npz": _npz},
    Histogram: {".png": _bars, ".npz": _npz},
    PointCloud: {".ply": cloud_ply, ".glb": cloud_glb, ".txt": cloud_text, ".png": _cloud_view, ".npz": _npz},
    Mesh: {".ply": mesh_ply, ".glb": mesh_glb, ".obj": mesh_obj, ".png": _mesh_view, ".npz": _npz},
    Tensor: {".npy": _tensor_npy},
    Table: {".csv": _table_csv},
    Rollout: {".json": _rollout_json, ".txt": _rollout_text},
    Record: {".json": lambda value: _json(value.params()), ".txt": _record_text},
    Artifact: {".json": lambda value: _json(artifact_facts(value)), ".txt": lambda value: f"{artifact_line(value)}\n".encode()},
    Hook: {".json": lambda value: _json(value.params()), ".txt": lambda value: f"{value.name}\n".encode()},
    str: {".txt": lambda value: value.encode()},
    dict: {".json": _json},
}
