"""Values as W&B's own types: what its pages draw, play and turn.

Pictures are scaled here, and films and meshes encoded: W&B would scale them a second time, and need moviepy.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.encoding.conversation import conversation
from asynclog.encoding.media import checked, file_of
from asynclog.errors import InvalidValue
from asynclog.normal import image, plot
from asynclog.normal.turns import quaternion
from asynclog.values import (
    Audio,
    Histogram,
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

_MOST_BINS: Final = 512
"""Of a histogram: W&B refuses more."""
_TENSOR_BINS: Final = 64
_MOST_CLASSES: Final = 256
_CATEGORIES: Final = 14
_LEVELS: Final = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


def rendered(kind: str, value: Any, scratch: Path) -> Any:
    """The value as ``wandb.log`` takes it. scratch: where a file may lie until then. Raises InvalidValue for what W&B can't
    show."""
    if kind == "mesh":
        return _mesh(value, scratch)
    make = _MAKERS.get(kind)
    if make is None:
        raise InvalidValue(kind=kind, expected="a kind that W&B can show", got=kind)
    checked(value)
    return make(value)


def _images(value: Image) -> Any:
    import wandb

    pictures = image.pictures(value.data, value.layout, value.most)
    captions: list[str | None] = [*value.captions] if value.captions else [value.caption] * len(pictures)
    over = value.masks or value.boxes is not None
    shown = [
        # W&B lays masks and boxes over the picture by itself, in the picture's own pixels.
        wandb.Image(
            _pillow(one if over else image.fitted(one, keep_resolution=value.keep_resolution)),
            caption=caption,
            masks=_masks(value) or None,
            boxes=_boxes(value),
        )
        for one, caption in zip(pictures, captions, strict=False)
    ]
    return shown if value.batch else shown[0]


def _pillow(picture: NDArray[np.uint8]) -> Any:
    from PIL import Image as Pillow

    return Pillow.fromarray(np.ascontiguousarray(picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)))


def _masks(value: Image) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, mask in value.masks.items():
        low, high = (int(mask.min()), int(mask.max())) if mask.size else (0, 0)
        if low < 0 or high >= _MOST_CLASSES:
            raise InvalidValue(kind="image", expected="masks of numbers from 0 to 255", got=f"{name!r} with {low} to {high}")
        labels = {int(number): word for number, word in value.mask_labels.get(name, {}).items()}
        found[name] = {"mask_data": mask.astype(np.uint8), **({"class_labels": labels} if labels else {})}
    return found


def _boxes(value: Image) -> dict[str, Any] | None:
    if value.boxes is None:
        return None
    words = value.box_labels or [""] * len(value.boxes)
    classes = {word: number for number, word in enumerate(dict.fromkeys(words))}
    drawn = []
    for at, (word, (left, top, right, bottom)) in enumerate(zip(words, value.boxes.tolist(), strict=True)):
        position = {"minX": left, "minY": top, "maxX": right, "maxY": bottom}
        one: dict[str, Any] = {"position": position, "domain": "pixel", "class_id": classes[word], "box_caption": word}
        if value.box_scores is not None:
            one["scores"] = {"score": float(value.box_scores[at])}
        drawn.append(one)
    return {"boxes": {"box_data": drawn, "class_labels": {number: word for word, number in classes.items()}}}


def _spectrogram(value: Spectrogram) -> Any:
    import wandb

    return wandb.Image(_pillow(plot.heat(value.canonical()[::-1])))


def _audio(value: Audio) -> Any:
    import wandb

    return wandb.Audio(value.canonical().T, sample_rate=value.sample_rate)


def _video(value: Video) -> Any:
    import wandb

    return wandb.Video(BytesIO(file_of(value, ".mp4")), format="mp4")


def _histogram(value: Histogram) -> Any:
    counts = value.counts
    while len(counts) > _MOST_BINS and len(counts) % 2 == 0:
        counts = counts.reshape(-1, 2).sum(axis=1)
    # Of nothing there are no bounds, and W&B wants some.
    low, high = (value.low, value.high) if value.low <= value.high else (0.0, 1.0)
    return _counted(counts, np.linspace(low, high, len(counts) + 1))


def _tensor(value: Tensor) -> Any:
    """Its distribution: W&B has no other place for an array in a run's history."""
    numbers = value.canonical()
    if numbers.dtype.kind == "c":
        raise InvalidValue(kind="tensor", expected="real numbers, for W&B's histogram", got=f"dtype {numbers.dtype}")
    finite = numbers[np.isfinite(numbers)].astype(np.float64)
    if not finite.size:
        raise InvalidValue(kind="tensor", expected="finite numbers, for W&B's histogram", got="none of them")
    return _counted(*np.histogram(finite, _TENSOR_BINS))


def _counted(counts: NDArray[Any], edges: NDArray[Any]) -> Any:
    import wandb

    return wandb.Histogram(np_histogram=(counts, edges))


def _cloud(value: PointCloud) -> Any:
    import wandb

    points = value.canonical()
    columns: list[NDArray[Any]] = [points.xyz.astype(np.float64)]
    if points.rgb is not None:
        columns.append(points.rgb)
    elif points.labels is not None:
        # Its colours are numbered from 1 to 14.
        columns.append(points.labels[:, None].astype(np.int64) % _CATEGORIES + 1)
    rows: Any = np.concatenate(columns, axis=1)
    if value.boxes is None:
        return wandb.Object3D(rows)
    words = value.box_labels or [""] * len(value.boxes)
    boxes = [
        wandb.box3d(center=box[:3], size=box[3:6], orientation=quaternion(*box[6:]), color=(255, 160, 0), label=word)
        for box, word in zip(value.boxes.astype(np.float64), words, strict=True)
    ]
    return wandb.Object3D.from_point_cloud(points=rows, boxes=boxes)


def _mesh(value: Mesh, scratch: Path) -> Any:
    import wandb

    content = file_of(value, ".glb")
    path = scratch / f"{sha256(content).hexdigest()}.glb"
    path.write_bytes(content)
    return wandb.Object3D(path)


def _table(value: Table) -> Any:
    """The rows of this write and no others: W&B's pages put those of all steps together."""
    return _as_table(value.columns, value.canonical())


def _rollout(value: Rollout) -> Any:
    """A row a message, and beside each what the whole was worth."""
    whole = {"reward": value.reward, "group": value.group, "stop": value.stop, **value.rewards}
    if isinstance(value.advantage, int | float):
        whole["advantage"] = value.advantage
    outcome = {name: one for name, one in whole.items() if one is not None}
    rows = [
        (one.role, one.text, "\n".join(f"{name}({words})" for name, words in one.calls), one.to, *outcome.values())
        for one in conversation(value)
    ]
    return _as_table(["role", "content", "calls", "to", *outcome], rows)


def _as_table(columns: list[str], rows: list[tuple[Any, ...]]) -> Any:
    import wandb

    return wandb.Table(columns=list(map(str, columns)), data=[list(map(_cell, row)) for row in rows], allow_mixed_types=True)


def _cell(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, bool | int | float | str) else repr(cell)


def _record(value: Record) -> str:
    level = _LEVELS.get(value.level, str(value.level))
    said = " ".join(filter(None, [level, value.logger, value.where])) + f": {value.message}"
    fields = "".join(f" {name}={one!r}" for name, one in value.fields.items())
    return said + fields + (f"\n{value.exception}" if value.exception else "")


def _text(value: str) -> str:
    return value


_MAKERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "image": _images,
    "spectrogram": _spectrogram,
    "audio": _audio,
    "video": _video,
    "histogram": _histogram,
    "tensor": _tensor,
    "point_cloud": _cloud,
    "table": _table,
    "rollout": _rollout,
    "record": _record,
    "string": _text,
}
