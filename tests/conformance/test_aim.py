"""Aim takes the public exam, read back by Aim's own SDK."""

import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

pytest.importorskip("aim")

import aim
from aim.sdk.index_manager import RepoIndexManager

from asynclog.sink import Sink
from asynclog.sinks import Aim
from asynclog.sinks.aim.home import run_hash
from asynclog.testing import Delivered, SinkTests
from asynclog.values import EVERY_KIND

pytestmark = [
    pytest.mark.blocking,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@cache
def empty_repo() -> Path:
    """Made once: the migrations of its database take seconds."""
    path = Path(mkdtemp(prefix="aim-"))
    aim.Repo.from_path(str(path), init=True)
    return path


def found_run(repo: Path, run_id: str = "conformance", rank: int = 0, *, indexed: bool = False) -> Any:
    """As the SDK gives it. indexed: the sink has brought the index up to date; else it is done here, as by ``aim up``."""
    opened = aim.Repo.from_path(str(repo))
    name = run_hash(run_id, rank)
    if not indexed and (repo / ".aim" / "meta" / "chunks" / name).exists():
        RepoIndexManager.get_index_manager(opened).index(name)
    opened.container_pool.clear()
    return opened.get_run(name)


def sequences(run: Any) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """(type, context, sequence) of all that a run tracks."""
    types = ("metric", "images", "audios", "texts", "distributions", "figures")
    for kind, infos in run.collect_sequence_info(types, skip_last_value=True).items():
        made = aim.sdk.sequence.Sequence.registry[kind]
        for info in infos:
            yield kind, info["context"], made(info["name"], aim.storage.context.Context(info["context"]), run)


def points(sequence: Any) -> Iterator[tuple[int, Any, float, float]]:
    """(step, value, epoch, time), in the order of the steps."""
    steps, (values, epochs, times) = sequence.data.items_list()
    yield from zip(steps, values, epochs, times, strict=True)


def delivered(run: Any) -> Iterator[Delivered]:
    for type_, context, sequence in sequences(run):
        for step, value, _, _ in points(sequence):
            if type_ == "metric":
                if sequence.name != "samples":
                    yield Delivered("scalar", context["subset"], "", sequence.name, step, value)
            elif context["kind"] not in ("histogram", "tensor"):
                text = value[0].data if context["kind"] == "string" else None
                yield Delivered(context["kind"], context["subset"], "", sequence.name, step, text)


class TestAim(SinkTests):
    kinds = tuple(kind for kind in EVERY_KIND if kind not in ("artifact", "config", "histogram", "tensor"))
    overwrites = True
    may_block = True

    def make_sink(self, tmp_path: Path) -> Sink:
        repo = tmp_path / "repo"
        if not repo.exists():
            shutil.copytree(empty_repo(), repo)
        return Aim(repo)

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        run = found_run(sink.repo)
        return [] if run is None else list(delivered(run))
