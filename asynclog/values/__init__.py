"""What can be recorded beside a number: frozen value objects, each a few arrays and a few parameters."""

from typing import Final

from asynclog.values.artifact import Artifact
from asynclog.values.data import Config, Histogram, Record, Samples, Tensor, Text
from asynclog.values.hook import HOOKS, Hook
from asynclog.values.media import Audio, Image, Spectrogram, Video
from asynclog.values.rollout import Rollout
from asynclog.values.space import Mesh, PointCloud, Points
from asynclog.values.table import Table
from asynclog.values.value import Array, Value, same_array

KINDS: Final[dict[str, type[Value]]] = {
    one.kind: one
    for one in (
        Image,
        Audio,
        Spectrogram,
        Video,
        Histogram,
        PointCloud,
        Mesh,
        Table,
        Tensor,
        Rollout,
        Record,
        Text,
        Config,
        Hook,
        Artifact,
    )
}
EVERY_KIND: Final[tuple[str, ...]] = ("scalar", *KINDS)

__all__ = [
    "EVERY_KIND",
    "HOOKS",
    "KINDS",
    "Array",
    "Artifact",
    "Audio",
    "Config",
    "Histogram",
    "Hook",
    "Image",
    "Mesh",
    "PointCloud",
    "Points",
    "Record",
    "Rollout",
    "Samples",
    "Spectrogram",
    "Table",
    "Tensor",
    "Text",
    "Value",
    "Video",
    "same_array",
]
