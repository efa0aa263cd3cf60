"""Events as Comet's messages: metrics, parameters, and files of the types that its pages know.

histogram3d    counts in bins of fixed, exponentially growing width: of each of ours, at its middle
3d-image       a scene of points and boxes, with a thumbnail
text-sample, visualization, audio, video, asset    a file of the customary kind
"""

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.encoding.media import checked, file_of, png
from asynclog.errors import InvalidValue
from asynclog.normal import view
from asynclog.sink import Event
from asynclog.sinks.coded import series_name, shortened
from asynclog.sinks.comet.archive import Message
from asynclog.sinks.strict_json import NOT_FINITE
from asynclog.values import Histogram, PointCloud

LONGEST_NAME: Final = 100
"""Bytes of a name: Comet cuts what is longer off."""
File = Callable[[bytes, str], str]
_TYPES: Final = {
    "string": ("text-sample", ".txt"),
    "record": ("text-sample", ".txt"),
    "rollout": ("text-sample", ".txt"),
    "image": ("visualization", ".png"),
    "spectrogram": ("visualization", ".png"),
    "audio": ("audio", ".wav"),
    "video": ("video", ".mp4"),
    "table": ("asset", ".csv"),
    "tensor": ("asset", ".npy"),
    "mesh": ("asset", ".glb"),
}
_START: Final = 1e-12
_STOP: Final = 1e20
_GROWTH: Final = 1.1
_MIDDLE: Final = 775
"""Of Comet's bins: those below are of negative numbers, this one holds 0."""


def messages_of(event: Event, file: File) -> list[Message]:
    """What an event becomes. file(content, suffix): puts a file into the archive and names it. Raises InvalidValue for what
    Comet can't show."""
    if event.kind == "scalar":
        return [metric(event)]
    if event.kind == "config":
        return list(parameters(event))
    if event.kind == "histogram":
        content = json.dumps(_histogram(event.value)).encode()
        return [_upload(event, "histogram3d", file(content, ".json"), {})]
    if event.kind == "point_cloud":
        checked(event.value)
        return [_scene(event, file)]
    if event.kind not in _TYPES:
        raise InvalidValue(kind=event.kind, expected="a kind that Comet can show", got=event.kind)
    upload_type, suffix = _TYPES[event.kind]
    return [_upload(event, upload_type, file(file_of(event.value, suffix), suffix), _about(event, suffix))]


def metric(event: Event) -> Message:
    """A number, at its own step and time; NaN and the infinities in words."""
    value = event.value
    said = value if value - value == 0 else NOT_FINITE[repr(value)]
    inner = {"metricName": _name(event), "metricValue": said, "step": event.step, "epoch": event.epoch}
    return "metric_msg", {"local_timestamp": _milliseconds(event), "metric": inner}


def parameters(event: Event) -> Iterator[Message]:
    """Settings by their paths, "optimizer|lr", as Comet nests them."""
    yield "log_other", {"key": "hasNestedParams", "value": True}
    for path, value in _flat(event.value, ""):
        plain = value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value, default=str)
        inner = {"paramName": shortened(path, LONGEST_NAME), "paramValue": plain, "step": event.step, "source": "manual"}
        yield "parameter_msg", {"local_timestamp": _milliseconds(event), "param": inner}


def _flat(settings: Mapping[Any, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        path = f"{above}|{name}" if above else str(name)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        else:
            yield path, value


def _upload(event: Event, upload_type: str, file_name: str, about: Mapping[str, Any]) -> Message:
    name, identity = _name(event), _identity(event, file_name)
    more: dict[str, Any] = {"context": None, "overwrite": False, "runId": None, "step": event.step, "epoch": event.epoch}
    if upload_type == "visualization":
        more |= {"figCounter": 0, "figName": name, "imageId": identity}
    else:
        suffix = file_name.rpartition(".")[2]
        shown = f"{name}.{suffix}" if upload_type in ("asset", "audio") else name
        more |= {"assetId": identity, "fileName": shown, "extension": suffix, "type": upload_type}
    if upload_type == "audio":
        more["sampleRate"] = about["sample_rate"]
    return "file_upload", {
        "local_timestamp": _milliseconds(event),
        "upload_type": upload_type,
        "file_path": file_name,
        "additional_params": more,
        "metadata": about,
        "clean": False,
    }


def _about(event: Event, suffix: str) -> dict[str, Any]:
    value = event.value
    if suffix == ".txt":
        about: dict[str, Any] = {"name": _name(event)}
        if event.kind == "record":
            about |= {"level": value.level, "logger": value.logger, "where": value.where}
        if event.kind == "rollout":
            about |= {name: one for name, one in (("reward", value.reward), ("stop", value.stop)) if one is not None}
            about |= dict(value.rewards)
        return about
    if event.kind == "audio":
        return {"sample_rate": value.sample_rate}
    if event.kind == "image" and value.caption is not None:
        return {"caption": value.caption}
    return {}


def _histogram(value: Histogram) -> dict[str, Any]:
    counts: dict[int, int] = {}
    middles = value.edges[:-1] / 2 + value.edges[1:] / 2
    for middle, count in zip(middles.tolist(), value.counts.tolist(), strict=True):
        if count:
            at = _bin_of(middle)
            counts[at] = counts.get(at, 0) + count
    bins = sorted(counts.items())
    return {
        "version": 2,
        "index_values": bins,
        "values": None,
        "offset": 0,
        "start": _START,
        "stop": _STOP,
        "step": _GROWTH,
    }


def _bin_of(number: float) -> int:
    """Bin ⌈log₁.₁(|x| / 1e-12)⌉ beyond the middle, mirrored below it."""
    size = min(max(abs(number), _START), _STOP / _GROWTH)
    if abs(number) < 1e-20:  # Comet's own line between a number and none
        return _MIDDLE
    beyond = int(np.ceil(np.log(size / _START) / np.log(_GROWTH)))
    return _MIDDLE + beyond if number > 0 else _MIDDLE - 1 - beyond


def _scene(event: Event, file: File) -> Message:
    value: PointCloud = event.value
    points = value.canonical()
    if not len(points.xyz):
        raise InvalidValue(kind="point_cloud", expected="points, for Comet's scene", got="none that is finite")
    columns = [points.xyz.astype(np.float64)] + ([] if points.rgb is None else [points.rgb.astype(np.float64)])
    items = [_item(file, "points", np.concatenate(columns, axis=1).tolist())]
    low, high = points.xyz.min(axis=0).tolist(), points.xyz.max(axis=0).tolist()
    if value.boxes is not None and len(value.boxes):
        words = value.box_labels or [""] * len(value.boxes)
        items.append(_item(file, "boxes", [_box(*both) for both in zip(value.boxes.astype(np.float64), words, strict=True)]))
    picture = view.cloud(points.xyz, view.tints(*points), value.boxes)
    return "3d-image", {
        "name": _name(event),
        "step": event.step,
        "upload_type": "asset-item",
        "asset_id": _identity(event, ""),
        "items": items,
        "thumbnail_path": file(png(picture), ".png"),
        "metadata": {f"{axis}Range": [low[at], high[at]] for at, axis in enumerate("xyz")},
    }


def _item(file: File, what: str, lines: list[Any]) -> dict[str, str]:
    content = "".join(f"{json.dumps(one)}\n" for one in lines).encode()
    return {"file_name": f"{what}.jsonl", "file_path": file(content, ".jsonl"), "type": what}


def _box(box: NDArray[np.float64], word: str) -> dict[str, Any]:
    corners = view.box_edges(box[None]).reshape(-1, 2, 3)
    width, height, depth = box[3:6].tolist()
    alpha, beta, gamma = box[6:].tolist()
    return {
        "position": box[:3].tolist(),
        "size": {"width": width, "height": height, "depth": depth},
        "rotation": {"alpha": alpha, "beta": beta, "gamma": gamma},
        "label": word,
        "segments": corners.tolist(),
    }


def _name(event: Event) -> str:
    return shortened(series_name(event.phase, event.namespace, event.key), LONGEST_NAME)


def _identity(event: Event, file_name: str) -> str:
    return blake2b(repr((_name(event), event.time_ns, file_name)).encode(), digest_size=16).hexdigest()


def _milliseconds(event: Event) -> int:
    return event.time_ns // 1_000_000
