import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration

BAD_TO_IMPORT = "raise AssertionError('it was imported where it is not to run')\nLogger = 1\n"


def config(*modules: object) -> dict[str, Any]:
    return {"logging": {"logger_modules": list(modules)}}


def module(path: Path, text: str = "class Logger: ...\n") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.fixture
def package(tmp_path: Path) -> Iterator[str]:
    """A package on the path whose every module, its own included, must not be imported."""
    name = "package_of_loggers"
    module(tmp_path / name / "__init__.py", BAD_TO_IMPORT)
    module(tmp_path / name / "inner" / "__init__.py", BAD_TO_IMPORT)
    module(tmp_path / name / "inner" / "csv_logger.py", BAD_TO_IMPORT)
    sys.path.insert(0, str(tmp_path))
    yield name
    sys.path.remove(str(tmp_path))


def refusal(*modules: object) -> str:
    with pytest.raises(InvalidConfiguration) as refused:
        al.config.logger_modules(config(*modules))
    return str(refused.value)


def test_each_module_is_a_route_of_its_own_process(tmp_path: Path) -> None:
    paths = [module(tmp_path / "csv_logger.py"), module(tmp_path / "images.py", "Sink = object()")]
    routes = al.config.logger_modules(config(*paths))
    assert [(one.name, one.place) for one in routes] == [("csv_logger", "process"), ("images", "process")]


def test_names_are_those_of_the_modules_and_unique(tmp_path: Path, package: str) -> None:
    path = module(tmp_path / "a" / "csv_logger.py")
    odd = module(tmp_path / "_my logger é.py")
    routes = al.config.logger_modules(config(path, path, f"{package}.inner.csv_logger", odd))
    assert [one.name for one in routes] == ["csv_logger", "csv_logger-2", "csv_logger-3", "my-logger-"]


def test_no_module_is_imported_to_be_looked_at(package: str) -> None:
    """Neither the logger's nor the packages it lies in: what they import may belong to another process."""
    al.config.logger_modules(config(f"{package}.inner.csv_logger"))
    assert not [name for name in sys.modules if name.startswith(package)]


def test_a_routes_limit_is_its_own(tmp_path: Path) -> None:
    """A logger is given every result, whatever limit others have."""
    (route,) = al.config.logger_modules(config(module(tmp_path / "one.py")))
    assert route.limit is not None
    log = al.MultiLogger(tmp_path / "run", sinks=[route], limit=al.RateLimit(3600.0))
    assert all(log.should_write(al.State(step)) for step in range(3))


def test_a_yaml_file_will_do(tmp_path: Path) -> None:
    module(tmp_path / "csv_logger.py")
    (tmp_path / "config.yaml").write_text("logging:\n  logger_modules: [csv_logger.py]\n")
    (route,) = al.config.logger_modules(tmp_path / "config.yaml")
    assert route.name == "csv_logger"


def test_a_missing_file_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    module(tmp_path / "csv_logger.py")
    assert "there is no file" in refusal(str(tmp_path / "csv_loger.py"))
    assert refusal(str(tmp_path / "csv_loger.py")).endswith("did you mean 'csv_logger.py'?")
    assert "there is no directory" in refusal(str(tmp_path / "gone" / "csv_logger.py"))


def test_a_path_that_is_no_file_of_python_is_refused(tmp_path: Path) -> None:
    """Here, rather than by a process that finds nothing in it."""
    (tmp_path / "csv_logger").write_text("Logger = 1")
    assert "expected the path of a .py file" in refusal(str(tmp_path / "csv_logger"))
    (tmp_path / "folder.py").mkdir()
    assert refusal(str(tmp_path / "folder.py")).endswith("there is no file " + str(tmp_path / "folder.py"))
    assert "File name too long" in refusal(str(tmp_path / ("a" * 5000 + ".py")))


@pytest.mark.parametrize("text", ["a = " + "-" * 100_000 + "1", "a = x" + ".x" * 50_000, "a = 1\0", "a = " + "(" * 5000])
def test_source_that_no_parser_takes_is_refused(tmp_path: Path, text: str) -> None:
    assert "one.py" in refusal(module(tmp_path / "one.py", text))


def test_a_module_of_this_process_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "made_here", ModuleType("made_here"))
    assert "was made in this process" in refusal("made_here")
    assert "was made in this process" in refusal("made_here.inner")


def test_a_missing_module_is_told_with_the_nearest_one(package: str) -> None:
    assert refusal(f"{package}.inner.csv_loger").endswith(f"did you mean '{package}.inner.csv_logger'?")
    assert refusal(f"{package}.iner.csv_logger").endswith(f"did you mean '{package}.inner'?")
    assert refusal("package_of_logers.inner").endswith(f"did you mean '{package}'?")
    assert "is a module, and no package" in refusal(f"{package}.inner.csv_logger.Logger")
    assert refusal("__main__").endswith("name its file")
    assert "expected a dotted name or the path of a .py file" in refusal("not a name")


def test_a_module_without_a_logger_is_told_with_what_it_has(tmp_path: Path) -> None:
    path = module(tmp_path / "one.py", "import os\nclass CSVLogger: ...\n")
    assert refusal(path).endswith("exports neither Logger nor Sink; write Logger = CSVLogger")
    path = module(tmp_path / "two.py", "logger = 1\n")
    assert refusal(path).endswith("exports neither Logger nor Sink; did you mean 'logger'?")
    path = module(tmp_path / "three.py", "class Logger(:\n")
    assert "line 1: invalid syntax" in refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        "Logger = 1",
        "Logger: type = object",
        "def Logger(): ...",
        "from elsewhere import CSVLogger as Logger",
        "from elsewhere import *",
        "try:\n    import fast\n    Logger = fast.L\nexcept ImportError:\n    pass",
        "if True:\n    pass\nelse:\n    Sink = 1",
        "for Logger in (1, 2): ...",
        "(Other, Sink) = 1, 2",
        "match 1:\n    case _:\n        Logger = 1",
        "def __getattr__(name): ...",
    ],
)
def test_an_export_may_come_about_in_any_way(tmp_path: Path, text: str) -> None:
    assert len(al.config.logger_modules(config(module(tmp_path / "one.py", text)))) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"expected logging: \{logger_modules: \[…\]\}, got no keys$"),
        ({"logging": 3}, "got keys logging$"),
        ({"loging": {"logger_modules": []}}, "'loging' may be meant for it"),
        ({"logging": {"logger_module": []}}, "'logger_module' may be meant for it"),
        (config(3), "expected a list of dotted names and paths"),
        ({"logging": {"logger_modules": "csv_logger.py"}}, "expected a list of dotted names and paths"),
    ],
)
def test_a_misspelt_configuration_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        al.config.logger_modules(given)


def test_an_empty_list_is_no_loggers() -> None:
    assert al.config.logger_modules(config()) == []
