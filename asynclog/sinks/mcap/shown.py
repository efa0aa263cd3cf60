"""An event as the messages that Foxglove shows it by.

image, spectrogram    foxglove.CompressedImage, PNG          point_cloud       foxglove.PointCloud, all points
video                 foxglove.CompressedVideo, H.264,       its boxes         foxglove.SceneUpdate beside it
                      a message a frame, at its own time     mesh              foxglove.SceneUpdate
audio                 foxglove.RawAudio, 16 bits             string, record    foxglove.Log
histogram, tensor     asynclog.Histogram, asynclog.Tensor    config, table, rollout    JSON
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.encoding.bounds import film_rate
from asynclog.encoding.media import checked, media_extra, png, shown, shown_spectrogram
from asynclog.errors import InvalidValue
from asynclog.sink import Event
from asynclog.sinks.mcap.own import message
from asynclog.sinks.mcap.scene import boxes, cloud, surface
from asynclog.sinks.strict_json import json_text
from asynclog.values import Audio, Histogram, Image, Mesh, PointCloud, Record, Rollout, Spectrogram, Table, Tensor, Video

_NS: Final = 10**9
_LEVELS: Final = ((50, 5), (40, 4), (30, 3), (20, 2), (0, 1))  # logging's from there on: foxglove.Log's


class Shown(NamedTuple):
    """message: of protobuf, or JSON as bytes. part: which of several topics it is for. after_ns: behind the event's time."""

    message: Any
    part: str = ""
    after_ns: int = 0


def messages(event: Event, frame_id: str) -> list[Shown]:
    """The event's. Raises InvalidValue for what can't be shown, ImportError naming the extra."""
    make = _MADE.get(event.kind)
    if make is None:
        raise InvalidValue(kind=event.kind, expected="a kind of this version", got=event.kind)
    checked(event.value)
    with media_extra(), np.errstate(all="ignore"):
        return list(make(event, frame_id))


def timestamp(time_ns: int) -> Any:
    """As protobuf has it."""
    from google.protobuf.timestamp_pb2 import Timestamp

    return Timestamp(seconds=time_ns // _NS, nanos=time_ns % _NS)


def _picture(content: bytes, event: Event, frame_id: str) -> Shown:
    from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage

    return Shown(CompressedImage(timestamp=timestamp(event.time_ns), frame_id=frame_id, data=content, format="png"))


def _image(event: Event, frame_id: str) -> Iterator[Shown]:
    value: Image = event.value
    yield _picture(png(shown(value)), event, frame_id)


def _spectrogram(event: Event, frame_id: str) -> Iterator[Shown]:
    value: Spectrogram = event.value
    yield _picture(png(shown_spectrogram(value)), event, frame_id)


def _video(event: Event, frame_id: str) -> Iterator[Shown]:
    """Each frame decodable from those before it, as the schema asks: no frame waits for a later one."""
    import av
    from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo

    value: Video = event.value
    clip = value.canonical()
    clip = np.pad(clip, ((0, 0), (0, 0), (0, clip.shape[2] % 2), (0, clip.shape[3] % 2)), mode="edge")
    rate = film_rate(value.fps)
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.height, codec.width = clip.shape[2:]
    codec.pix_fmt, codec.framerate, codec.time_base = "yuv420p", rate, 1 / rate
    codec.options = {"crf": "18", "tune": "zerolatency", "bf": "0"}
    packets: list[bytes] = []
    for at, picture in enumerate(clip):
        colour = np.broadcast_to(np.moveaxis(picture, 0, -1), (*picture.shape[1:], 3))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(colour), format="rgb24")
        frame.pts = at
        packets.extend(bytes(packet) for packet in codec.encode(frame))
    packets.extend(bytes(packet) for packet in codec.encode(None))
    for at, data in enumerate(packets):
        after = int(at * _NS / rate)
        time = timestamp(event.time_ns + after)
        yield Shown(CompressedVideo(timestamp=time, frame_id=frame_id, data=data, format="h264"), after_ns=after)


def _audio(event: Event, _: str) -> Iterator[Shown]:
    from foxglove_schemas_protobuf.RawAudio_pb2 import RawAudio

    value: Audio = event.value
    sound = value.canonical()
    levels = np.clip(np.rint(sound.T * 32768.0), -32768, 32767).astype("<i2")
    yield Shown(
        RawAudio(
            timestamp=timestamp(event.time_ns),
            data=levels.tobytes(),
            format="pcm-s16",
            sample_rate=value.sample_rate,
            number_of_channels=len(sound),
        )
    )


def _histogram(event: Event, _: str) -> Iterator[Shown]:
    value: Histogram = event.value
    numbers = {name: getattr(value, name) for name in ("low", "high", "mean", "std", "count", "nans", "below", "above")}
    yield Shown(message("Histogram")(counts=value.counts.tolist(), **numbers))


def _point_cloud(event: Event, frame_id: str) -> Iterator[Shown]:
    value: PointCloud = event.value
    yield Shown(cloud(value, timestamp(event.time_ns), frame_id))
    if value.boxes is not None:
        yield Shown(boxes(value, timestamp(event.time_ns), frame_id), "boxes")


def _mesh(event: Event, frame_id: str) -> Iterator[Shown]:
    value: Mesh = event.value
    yield Shown(surface(value, timestamp(event.time_ns), frame_id))


def _tensor(event: Event, _: str) -> Iterator[Shown]:
    value: Tensor = event.value
    data = value.canonical()
    held = np.ascontiguousarray(data.astype(data.dtype.newbyteorder("<"), copy=False))
    yield Shown(message("Tensor")(dtype=data.dtype.name, shape=data.shape, data=held.tobytes()))


def _log(event: Event, name: str, text: str, level: int, where: str = "") -> Shown:
    from foxglove_schemas_protobuf.Log_pb2 import Log

    file, _, line = where.rpartition(":")
    named: dict[str, Any] = {"file": file, "line": int(line)} if line.isdigit() and int(line) < 1 << 32 else {"file": where}
    known: Any = next((shown for least, shown in _LEVELS if level >= least), 0)
    return Shown(Log(timestamp=timestamp(event.time_ns), level=known, message=_valid(text), name=_valid(name), **named))


def _string(event: Event, frame_id: str) -> Iterator[Shown]:
    yield _log(event, frame_id, event.value, 20)


def _record(event: Event, frame_id: str) -> Iterator[Shown]:
    value: Record = event.value
    text = value.message if value.exception is None else f"{value.message}\n{value.exception}"
    yield _log(event, value.logger or frame_id, text, value.level, value.where)


def _config(event: Event, _: str) -> Iterator[Shown]:
    yield Shown(json_text(event.value).encode("utf-8", "backslashreplace"))


def _table(event: Event, _: str) -> Iterator[Shown]:
    value: Table = event.value
    yield Shown(json_text({"columns": value.columns, "rows": value.canonical()}).encode("utf-8", "backslashreplace"))


def _rollout(event: Event, _: str) -> Iterator[Shown]:
    value: Rollout = event.value
    arrays = {name: array.tolist() for name, array in value.arrays().items()}
    yield Shown(json_text({**value.params(), **arrays}).encode("utf-8", "backslashreplace"))


def _valid(text: str) -> str:
    """Half a surrogate pair, as file names may hold, by its escape: protobuf's text is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


_MADE: Final[dict[str, Callable[[Event, str], Iterator[Shown]]]] = {
    "image": _image,
    "spectrogram": _spectrogram,
    "video": _video,
    "audio": _audio,
    "histogram": _histogram,
    "point_cloud": _point_cloud,
    "mesh": _mesh,
    "tensor": _tensor,
    "string": _string,
    "record": _record,
    "config": _config,
    "table": _table,
    "rollout": _rollout,
}
