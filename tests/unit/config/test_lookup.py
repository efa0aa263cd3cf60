"""A sink from words: what is found, what it is made with, and what a person is told who mistyped."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.config.lookup import settings_of, sink_named
from asynclog.errors import InvalidConfiguration

MODULE = """
class Sink:
    def __init__(self, config):
        self.config = config
    async def write(self, batch):
        with open(self.config["target"], "a") as file:
            file.writelines(f"{event.step}\\n" for event in batch)
    async def aclose(self):
        pass
class Plain:
    def __init__(self, target, *, mode="a"):
        self.target, self.mode = target, mode
    async def write(self, batch): pass
    async def aclose(self): pass
number = 3
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[str]:
    """A module that can be imported."""
    name = f"sinks_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    sys.path.insert(0, str(tmp_path))
    yield name
    sys.path.remove(str(tmp_path))
    sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["jsonlines", "JSONLines", "json-lines", "json_lines"])
def test_one_of_ours_is_found_whatever_its_case(name: str) -> None:
    sink = sink_named(name, {"path": "x.jsonl"})
    assert isinstance(sink, al.sinks.JSONLines)
    assert sink.path == Path("x.jsonl")


def test_a_class_of_a_module_is_made_with_its_settings(package: str) -> None:
    sink = sink_named(f"{package}:Plain", {"target": "t", "mode": "w"})
    assert (type(sink).__name__, sink.target, sink.mode) == ("Plain", "t", "w")


def test_a_file_is_loaded_where_it_runs(package: str, tmp_path: Path) -> None:
    """Its module never enters this process before the sink is opened; its settings reach it as ``config``."""
    target = tmp_path / "steps"
    run = tmp_path / "run"
    sink = sink_named(str(tmp_path / f"{package}.py"), {"target": str(target)})

    async def recorded() -> Any:
        async with al.MultiLogger(run, recorder="thread") as log:
            log.log_scalar("loss", 0.5)
            await log.write(7)
        return await al.sync(run, sink)

    assert asyncio.run(recorded()).complete
    assert target.read_text() == "7\n"
    assert package not in sys.modules


def test_another_packages_sink_is_found_by_its_entry_point(package: str, tmp_path: Path) -> None:
    installed = tmp_path / "cassettes-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: cassettes\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[asynclog.sinks]\ncassette = {package}:Plain\n")
    assert sink_named("Cassette", {"target": 1}).target == 1


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("jsonline", {}, "did you mean 'jsonlines'"),
        ("zebra", {}, "there are .*console, csv"),
        ("jsonlines", {}, "path: it is needed, and has no default"),
        ("jsonlines", {"pth": 1}, "pth: there is no such setting; did you mean 'path'"),
        ("jsonlines", {"path": 3}, "path: expected text, got int 3"),
        ("{package}:Plane", {}, "did you mean 'Plain'"),
        ("{package}:number", {}, "expected a class or a function"),
        ("nowhere.py", {}, "there is no file nowhere.py"),
        ("asynclog.nowhere", {}, "no module named 'asynclog.nowhere'"),
        ("dir/file.py:Sink", {}, "write dir/file.py"),
    ],
)
def test_what_cant_be_found_is_said_with_the_way_out(package: str, name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        sink_named(name.format(package=package), settings)


def test_values_are_json_or_the_text_itself() -> None:
    words = ["path=x.jsonl", "most=3", "share=0.5", "on=true", "nothing=null", 'text="3"', "several=[1, 2]", "empty=", "eq=a=b"]
    assert settings_of(words) == {
        "path": "x.jsonl", "most": 3, "share": 0.5, "on": True, "nothing": None, "text": "3", "several": [1, 2],
        "empty": "", "eq": "a=b",
    }  # fmt: skip


@pytest.mark.parametrize(("words", "said"), [(["path"], "key=value"), (["=3"], "key=value"), (["a=1", "a=2"], "set twice")])
def test_settings_that_are_none_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        settings_of(words)
