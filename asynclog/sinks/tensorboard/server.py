"""A TensorBoard beside the run: started with it, ended with it, and in nobody's way if it can't be."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from logging import getLogger
from pathlib import Path
from typing import Final

from asynclog.errors import InvalidConfiguration

OFF: Final = "DISABLE_TENSORBOARD"
"""The environment's off switch, by the name that ml-starter gave it."""
_PORTS: Final = range(1, 1 << 16)
_PATIENCE_S: Final = 3.0
_log = getLogger("asynclog.tensorboard")


class Server:
    """``start``, which doesn't wait for it, and ``stop``. port: None for any that is free. address: once it is there."""

    def __init__(self, port: int | None = None) -> None:
        if port is not None and port not in _PORTS:
            raise InvalidConfiguration(f"TensorBoard: a port is 1 to 65535, True is any that is free; not {port!r}")
        self.port = port
        self.address: str | None = None
        self._process: Process | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def start(self, directory: Path) -> None:
        """Show what lies below the directory."""
        if os.environ.get(OFF, "0") not in ("", "0"):
            return
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asynclog.sinks.tensorboard.serving", str(directory), str(self.port or 0)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
        )
        self._waiting = asyncio.create_task(self._announce(self._process))

    async def _announce(self, process: Process) -> None:
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode().strip()
        if said.startswith("http"):
            self.address = said
            _log.warning("TensorBoard shows this run at %s", said)
        else:
            _log.warning("TensorBoard doesn't show this run: %s", said.removeprefix("! ") or "its server ended at once")

    async def stop(self) -> None:
        """End it; a second time does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        assert self._waiting is not None
        await self._waiting
