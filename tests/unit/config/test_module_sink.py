import os
import pickle
from pathlib import Path

import pytest

import asynclog as al
from asynclog.config.module_sink import ModuleSink
from asynclog.errors import InvalidConfiguration
from asynclog.sink import RunInfo
from asynclog.testing import batch_of

TELLS = """
from pathlib import Path
class Telling:
    def __init__(self, {arguments}):
        self.told = {told}
        self.path = Path({directory!r}) / "told.txt"
    async def write(self, batch):
        with self.path.open("a") as file:
            file.writelines(f"{{self.told}} {{event.step}}\\n" for event in batch)
    async def aclose(self):
        with self.path.open("a") as file:
            file.write("closed")
"""


def run_info(directory: Path) -> RunInfo:
    return RunInfo("id", "name", directory, "main", 0)


async def told(directory: Path, text: str, *, as_arguments: bool = False) -> str:
    """What a module's sink wrote, which travelled to its process and was given one batch."""
    path = directory / "module.py"
    path.write_text(text)
    sink = pickle.loads(pickle.dumps(ModuleSink(str(path), "mine", {"lr": 0.1}, as_arguments=as_arguments)))
    await sink.open(run_info(directory))
    await sink.write(batch_of([(al.State(7), {"loss": 0.5})]))
    await sink.flush()
    await sink.aclose()
    return (directory / "told.txt").read_text()


@pytest.mark.blocking
@pytest.mark.parametrize(
    ("arguments", "value", "expected"),
    [
        ("lr", "lr", "0.1 7\nclosed"),
        ("lr=0.5, size=3", "(lr, size)", "(0.1, 3) 7\nclosed"),
        ("directory, **settings", "(directory.name, settings)", "('mine', {'lr': 0.1}) 7\nclosed"),
        ("config", "config", "{'lr': 0.1} 7\nclosed"),
        ("config, lr", "(config, lr)", "({'lr': 0.1}, 0.1) 7\nclosed"),
    ],
)
async def test_keys_beside_a_files_name_are_its_sinks_arguments(
    tmp_path: Path, arguments: str, value: str, expected: str
) -> None:
    text = TELLS.format(arguments=arguments, told=value, directory=str(tmp_path)) + "Sink = Telling"
    assert await told(tmp_path, text, as_arguments=True) == expected


@pytest.mark.blocking
async def test_an_argument_that_it_does_not_take_is_not_lost_in_silence(tmp_path: Path) -> None:
    text = TELLS.format(arguments="lrs=1", told="lrs", directory=str(tmp_path)) + "Sink = Telling"
    with pytest.raises(InvalidConfiguration, match=r"module\.py: lr: there is no such setting; did you mean 'lrs'"):
        await told(tmp_path, text, as_arguments=True)


@pytest.mark.blocking
@pytest.mark.parametrize(
    ("arguments", "value", "expected"),
    [
        ("", "'nothing'", "nothing 7\nclosed"),
        ("config", "config['lr']", "0.1 7\nclosed"),
        ("config, directory", "(config['lr'], directory.name)", "(0.1, 'mine') 7\nclosed"),
        ("other=3", "other", "3 7\nclosed"),
    ],
)
async def test_a_class_is_given_what_its_signature_names(tmp_path: Path, arguments: str, value: str, expected: str) -> None:
    text = TELLS.format(arguments=arguments, told=value, directory=str(tmp_path))
    assert await told(tmp_path, text + "Sink = Telling") == expected


@pytest.mark.blocking
async def test_a_function_or_a_sink_will_do(tmp_path: Path) -> None:
    text = TELLS.format(arguments="told", told="told", directory=str(tmp_path))
    assert await told(tmp_path, text + "def Logger(config): return Telling(config['lr'])") == "0.1 7\nclosed"
    (tmp_path / "told.txt").unlink()
    assert await told(tmp_path, text + "Sink = Telling('made')") == "made 7\nclosed"


@pytest.mark.blocking
async def test_each_start_is_noted_with_its_process(tmp_path: Path) -> None:
    text = TELLS.format(arguments="", told="''", directory=str(tmp_path)) + "Sink = Telling"
    for _ in range(2):
        await told(tmp_path, text)
    starts = (tmp_path / "sinks" / "mine" / "starts.txt").read_text().splitlines()
    assert [int(line.split()[1]) for line in starts] == [os.getpid()] * 2


@pytest.mark.blocking
async def test_what_makes_no_sink_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("class Logger:\n    def log(self, item): ...\n")
    sink = ModuleSink(str(tmp_path / "module.py"), "mine", {})
    with pytest.raises(InvalidConfiguration, match=r"Logger lacks write\(\).*integrations\.threedb\.BaseLogger"):
        await sink.open(run_info(tmp_path))
    await sink.aclose()


@pytest.mark.blocking
async def test_a_file_named_like_a_library_does_not_replace_it(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("class Sink:\n    async def write(self, b): ...\n    async def aclose(self): ...\n")
    sink = ModuleSink(str(tmp_path / "json.py"), "mine", {})
    await sink.open(run_info(tmp_path))
    import json

    assert json.loads("1") == 1
    await sink.aclose()


@pytest.mark.blocking
async def test_the_hosted_sink_is_told_how_the_run_ended(tmp_path: Path) -> None:
    """One that doesn't want to know is left alone."""
    text = TELLS.format(arguments="", told="0", directory=str(tmp_path))
    asks = (
        "\nclass Sink(Telling):\n"
        "    async def run_ended(self, status, error):\n"
        "        self.path.write_text(f'{status} {error} ')\n"
    )
    for export, expected in ((asks, "failed no closed"), ("Sink = Telling", "closed")):
        (tmp_path / "module.py").write_text(text + export)
        sink = ModuleSink(str(tmp_path / "module.py"), "mine", {})
        await sink.open(run_info(tmp_path))
        await sink.run_ended("failed", "no")
        await sink.aclose()
        assert (tmp_path / "told.txt").read_text() == expected
        (tmp_path / "told.txt").unlink()
