"""Comet's sink takes the public exam, read back from its archives, each message checked by comet_ml's own schema."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.sink import Sink
from asynclog.testing import Delivered, SinkTests
from asynclog.values import EVERY_KIND
from tests.integration.destinations.comet_archives import Told, name_of, told_below

pytest.importorskip("comet_ml")
pytestmark = [pytest.mark.blocking, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

_KINDS = {"histogram3d": "histogram", "audio": "audio", "video": "video"}


def delivered(told: Told, *, whole: bool = True) -> Delivered | None:
    payload = told.payload
    if told.kind == "metric_msg":
        metric = payload["metric"]
        return Delivered("scalar", *_placed(metric["metricName"]), metric["step"], metric["metricValue"])
    if told.kind == "3d-image":
        return Delivered("point_cloud", *_placed(payload["name"]), payload["step"])
    if told.kind != "file_upload":
        return None
    more = payload["additional_params"]
    kind = payload["upload_type"]
    if kind == "text-sample":
        text = told.files[payload["file_path"]].decode()
        return Delivered("", *_placed(payload["metadata"]["name"]), more["step"], text)
    name = more["figName"] if kind == "visualization" else more["fileName"]
    if kind in ("asset", "audio"):
        name = name.removesuffix(f".{more['extension']}")
    return Delivered(_KINDS.get(kind, ""), *_placed(name), more["step"])


def _placed(shown: str) -> tuple[str, str, str]:
    phase, name = name_of(shown)
    return phase, "", name


class TestComet(SinkTests):
    may_block = True
    kinds = tuple(kind for kind in EVERY_KIND if kind not in ("artifact", "config"))

    def make_sink(self, tmp_path: Path) -> Sink:
        return al.sinks.Comet("exam")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return [one for told in told_below(tmp_path / "run" / "sinks" / "comet") if (one := delivered(told)) is not None]
