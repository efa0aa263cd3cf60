"""A sink whose class lives in a module that is imported where the sink runs, and nowhere else.

What travels to that process is the module's name and the configuration. So a class needs not be picklable, and whatever its
import brings along (a renderer, a GPU's libraries) never enters the training process.
"""

import importlib
import importlib.util
import inspect
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from asynclog.config.fitting import unfit
from asynclog.config.locating import EXPORTS, is_file
from asynclog.errors import InvalidConfiguration
from asynclog.sink import Batch, Place, RunInfo, Sink

STARTS: Final = "starts.txt"
"""In the sink's directory: a line for each process that has hosted it, its time and its pid."""


class ModuleSink:
    """module: a dotted name, or the path of a .py file. name: the route's, and that of its directory ``sinks/<name>``.

    config: what the class is given as such. as_arguments: whether its keys are arguments, too, as they are of a sink that is
    named in full. root_dir: where a ported logger writes, in place of the sink's own directory.

    Opening raises whatever the module raises, and InvalidConfiguration for an export that makes no sink.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(
        self, module: str, name: str, config: Mapping[str, Any], root_dir: Path | None = None, *, as_arguments: bool = False
    ) -> None:
        self.module, self.name, self.config, self.root_dir = module, name, config, root_dir
        self.as_arguments = as_arguments
        self._sink: Sink | None = None

    async def open(self, run: RunInfo) -> None:
        directory = run.sink_directory(self.name)
        with (directory / STARTS).open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {os.getpid()}\n")
        made = self._made(self._export(), directory)
        for method in ("write", "aclose"):
            if not callable(getattr(made, method, None)):
                raise InvalidConfiguration(
                    f"logger module {self.module}: {type(made).__name__} lacks {method}(); a sink has async write(batch) and "
                    "aclose(), a class ported from 3DB derives from asynclog.integrations.threedb.BaseLogger"
                )
        opening = getattr(made, "open", None)
        if opening is not None:
            await opening(run)
        self._sink = made

    async def write(self, batch: Batch, /) -> None:
        await self._opened.write(batch)

    async def flush(self) -> None:
        flush = getattr(self._opened, "flush", None)
        if flush is not None:
            await flush()

    async def run_ended(self, status: str, error: str | None) -> None:
        ended = getattr(self._opened, "run_ended", None)
        if ended is not None:
            await ended(status, error)

    async def aclose(self) -> None:
        if self._sink is not None:
            await self._sink.aclose()

    @property
    def _opened(self) -> Sink:
        assert self._sink is not None, "open() comes first"
        return self._sink

    def _export(self) -> Any:
        module = _from_file(Path(self.module)) if is_file(self.module) else importlib.import_module(self.module)
        for name in EXPORTS:
            if hasattr(module, name):
                return getattr(module, name)
        raise InvalidConfiguration(f"logger module {self.module} exports neither {' nor '.join(EXPORTS)}")

    def _made(self, export: Any, directory: Path) -> Any:
        """A ported class says itself what hosts it; of others a class or function is called, and an object is the sink."""
        hosted = getattr(export, "as_sink", None)
        if hosted is not None:
            return hosted(self.config, directory, self.root_dir or directory)
        if not callable(export):
            return export
        offered = {"config": self.config, "directory": directory}
        wanted = inspect.signature(export).parameters
        given = {name: one for name, one in offered.items() if name in wanted}
        if self.as_arguments:
            # Whoever takes them as config need not name them; of anybody else one that isn't named would be lost in silence.
            whole = "config" in wanted
            given = {name: one for name, one in self.config.items() if not whole or name in wanted} | given
            wrong = [f"{argument}: {why}" for argument, why in unfit(export, given)]
            if wrong:
                raise InvalidConfiguration(f"sink {self.module}: {'; '.join(wrong)}")
        return export(**given)

    def __repr__(self) -> str:
        return f"<ModuleSink {self.name}: {self.module}>"


def _from_file(path: Path) -> Any:
    # Under a name of its own: a file called json.py must not become everybody's json.
    name = f"asynclog_logger_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
