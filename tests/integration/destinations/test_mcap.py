"""MCAP, read by its own seeking reader, each message by the schema that the file has for it."""

import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import asynclog as al
from asynclog.encoding.media import file_of
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

_WORDS = {
    "scalar": "`asynclog.Metric`",
    "image": "`CompressedImage`",
    "spectrogram": "`CompressedImage`",
    "video": "`CompressedVideo`",
    "audio": "`RawAudio`",
    "histogram": "`asynclog.Histogram`",
    "tensor": "`asynclog.Tensor`",
    "point_cloud": "`PointCloud`",
    "mesh": "`SceneUpdate`",
    "string": "`Log`",
    "record": "`Log`",
    "config": "metadata, JSON",
    "table": "JSON",
    "rollout": "JSON",
}


def opened(kind: str, said: list[Any]) -> Any:
    """The messages of a value in the exam's form."""
    one = said[0]
    if kind in ("image", "spectrogram"):
        from PIL import Image

        pixels = np.asarray(Image.open(io.BytesIO(one.data)))
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    if kind == "video":
        import av

        codec: Any = av.CodecContext.create("h264", "r")
        frames = [frame for part in said for frame in codec.decode(av.Packet(part.data))] + codec.decode(None)
        return np.stack([np.moveaxis(frame.to_ndarray(format="rgb24"), -1, 0) for frame in frames])
    if kind == "audio":
        levels = np.frombuffer(one.data, "<i2").reshape(-1, one.number_of_channels).T
        return (levels / 32768).astype(np.float32)
    if kind == "histogram":
        return np.array(list(one.counts))
    if kind == "tensor":
        return np.frombuffer(one.data, one.dtype).reshape(list(one.shape))
    if kind == "point_cloud":
        dtype = [(field.name, {7: "<f4", 1: "u1"}[field.type]) for field in one.fields]
        rows = np.frombuffer(one.data, dtype)
        return np.stack([rows[axis] for axis in "xyz"], axis=1)
    if kind == "mesh":
        points = one.entities[0].triangles[0].points
        return np.array([(point.x, point.y, point.z) for point in points], np.float32)
    if kind == "table":
        return [tuple(row) for row in one["rows"]]
    if kind == "rollout":
        return file_of(al.Rollout(one["messages"]), ".txt").decode()
    return one if kind == "config" else one.message


class TestMCAP(DestinationTests):
    destination: ClassVar[str] = "MCAP"
    reader: ClassVar[str] = "mcap's reader, each message by the schema in the file"
    needs: ClassVar[tuple[str, ...]] = ("mcap", "mcap_protobuf", "foxglove_schemas_protobuf", "PIL", "av")
    shows: ClassVar[dict[str, str]] = _WORDS
    tolerance: ClassVar[dict[str, float]] = {"audio": 1e-4, "video": 8}
    time_precision_s = 0.000_001
    statuses: ClassVar[dict[str, str]] = {"finished": "finished", "failed": "failed", "killed": "killed"}

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.MCAP(tmp_path / "run.mcap")

    def read_back(self, tmp_path: Path) -> Reading:
        from mcap.reader import make_reader
        from mcap_protobuf.decoder import DecoderFactory

        events, parts = [], {}
        with (tmp_path / "run.mcap").open("rb") as file:
            reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory(), _Json()])
            for schema, channel, record, said in reader.iter_decoded_messages(log_time_order=False):
                about = channel.metadata
                name = tuple(about.get(field, "") for field in ("kind", "phase", "namespace", "key"))
                assert schema is not None
                if name[0] == "scalar":
                    where = f"{name[2]}/{name[3]}".lstrip("/")
                    assert channel.topic == f"/{name[1]}/{where}"
                    events.append(Shown("scalar", name[1], where, said.step, said.value, record.log_time / 1e9))
                elif channel.topic == "/asynclog/events":
                    its = (said.kind, said.phase, said.namespace, said.key)
                    where = f"{said.namespace}/{said.key}".lstrip("/")
                    value = opened(said.kind, parts.pop(its))
                    events.append(Shown(said.kind, said.phase, where, said.step, value, record.log_time / 1e9))
                else:
                    parts.setdefault(name, []).append(said)
            metadata = {one.name: one.metadata for one in reader.iter_metadata()}
        assert not parts
        assert metadata["asynclog.run"]["writer"] == "main"
        return Reading(events, metadata["asynclog.end"]["status"])


class _Json:
    def decoder_for(self, encoding: str, schema: Any) -> Any:
        import json

        return json.loads if encoding == "json" else None
