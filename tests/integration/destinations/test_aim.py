"""Aim's own SDK reads a run that was delivered live, by sync, and after a kill."""

import io
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("aim")

from PIL import Image as Pillow
from PIL import ImageSequence

import asynclog as al
from asynclog.encoding.media import file_of
from asynclog.normal.histogram import counted
from tests.conformance.test_aim import empty_repo, found_run, points, sequences
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def pixels(images: Any) -> np.ndarray:
    """(C, H, W) uint8 of one image of a list."""
    (image,) = images
    picture = np.asarray(image.to_pil_image())
    return picture[None] if picture.ndim == 2 else np.moveaxis(picture, -1, 0)


def film(images: Any) -> np.ndarray:
    """(T, C, H, W) uint8 of a moving GIF."""
    (image,) = images
    frames = ImageSequence.all_frames(Pillow.open(io.BytesIO(bytes(image.storage["data"]))))
    return np.stack([np.moveaxis(np.asarray(one.convert("RGB")), -1, 0) for one in frames])


def sound(audios: Any) -> np.ndarray:
    """(C, T) float32."""
    import soundfile

    return soundfile.read(audios[0].get(), dtype="float32", always_2d=True)[0].T


def places(figure: Any) -> np.ndarray:
    """(N, 3) float32 of a figure's first trace."""
    trace = json.loads(figure.data)["data"][0]
    return np.array([trace["x"], trace["y"], trace["z"]], np.float32).T


def text(texts: Any) -> str:
    return str(texts[0].data)


FORMS: dict[str, Any] = {
    "audio": sound,
    "histogram": lambda one: one.weights,
    "image": pixels,
    "mesh": places,
    "point_cloud": places,
    "record": text,
    "rollout": text,
    "spectrogram": pixels,
    "string": text,
    "table": lambda one: [tuple(row) for row in json.loads(text(one))["rows"]],
    "tensor": lambda one: one.weights,
    "video": film,
}


class TestAim(DestinationTests):
    destination: ClassVar[str] = "Aim"
    reader: ClassVar[str] = "Aim's SDK"
    shows: ClassVar[dict[str, str]] = {
        "scalar": "metrics",
        "image": "images",
        "spectrogram": "images",
        "video": "images, moving",
        "audio": "audios",
        "histogram": "distributions",
        "tensor": "distributions",
        "point_cloud": "figures, 3-D",
        "mesh": "figures, 3-D",
        "table": "texts",
        "rollout": "texts",
        "record": "texts",
        "string": "texts",
        "config": "`hparams`",
    }
    tolerance: ClassVar[dict[str, float]] = {"audio": 1e-4, "video": 8.0}
    statuses: ClassVar[dict[str, str]] = {"finished": "finished", "failed": "failed", "killed": "killed"}

    def make_sink(self, tmp_path: Path) -> Any:
        repo = tmp_path / "repo"
        if not repo.exists():
            shutil.copytree(empty_repo(), repo)
        return al.sinks.Aim(repo, experiment="exam", index=True)

    def read_back(self, tmp_path: Path) -> Reading:
        run = found_run(tmp_path / "repo", json.loads((tmp_path / "run" / "run.json").read_text())["id"], indexed=True)
        shown = [Shown("config", None, "config", None, run["hparams"])]
        for type_, context, sequence in sequences(run):
            for step, value, _, time in points(sequence):
                kind = "scalar" if type_ == "metric" else context["kind"]
                form = value if type_ == "metric" else FORMS[kind](value)
                shown.append(Shown(kind, context["subset"], sequence.name, step, form, time))
        assert run.end_time is not None, "it still shows as running"
        status = run["asynclog"]["status"]
        assert (status in run.tags) == (status != "finished")
        return Reading(shown, status)

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "tensor":
            return np.array_equal(counted(logged.canonical(), 64).counts, shown)
        if kind == "record":
            return shown == file_of(logged, ".txt").decode()
        return super().same(kind, logged, shown)

    @pytest.mark.crash
    async def test_a_worker_that_is_killed_leaves_nothing_out(self, tmp_path: Path) -> None:
        """By kill -9, twice: its successor gets the run in spite of its locks. The body raises: the run has failed."""
        log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(self.make_sink(tmp_path), name="exam", deadline=50.0)])

        async def body() -> None:
            async with log:
                for life in range(3):
                    for step in range(100 * life, 100 * life + 100):
                        log.log({"loss": step / 3})
                        await log.write(step)
                    assert await log.flush(deadline=50) == {"exam": 0}
                    if life < 2:
                        os.kill(log.statistics()["routes"]["exam"]["pid"], signal.SIGKILL)
                raise ValueError("enough")

        with pytest.raises(ValueError, match="enough"):
            await body()
        run = found_run(tmp_path / "repo", json.loads((tmp_path / "run" / "run.json").read_text())["id"], indexed=True)
        # The other is why the run failed.
        (losses,) = [sequence for type_, _, sequence in sequences(run) if type_ == "metric"]
        assert [one[:2] for one in points(losses)] == [(step, step / 3) for step in range(300)]
        assert (run["asynclog"]["status"], run.tags) == ("failed", ["failed"])
        assert "ValueError: enough" in run["asynclog"]["error"]
