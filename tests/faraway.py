"""A destination in another process, over a socket, that can be killed and started again; and the sink that writes there.

A batch is a frame of JSON with all that is needed to see later whether it all came: answered when it lies in the file.
"""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Self

_LENGTH = struct.Struct("!I")


class Faraway:
    """Sends each batch's steps, and waits until they are taken. Down is down: what the socket raises flies."""

    default_place: ClassVar[str] = "process"

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def write(self, batch: Any, /) -> None:
        columns = batch.columns
        for (_, _, key), column in columns.items():
            assert (column.value == column.step + int(key[1:])).all()
        column = next(iter(columns.values()))
        await self._send({"epoch": batch.epoch, "steps": column.step.tolist(), "values": len(batch)})

    async def run_ended(self, status: str, error: str | None) -> None:
        await self._send({"ended": status})

    async def aclose(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _send(self, message: dict[str, Any]) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        data = json.dumps(message).encode()
        try:
            writer.write(_LENGTH.pack(len(data)) + data)
            await writer.drain()
            if await reader.read(1) != b"k":
                raise ConnectionResetError("no answer")
        except OSError:
            await self.aclose()
            raise


class Destination:
    """The process that takes it, into a file."""

    def __init__(self, target: Path) -> None:
        self.target = target
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [sys.executable, __file__, str(self.port), str(self.target)]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"listening\n"

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()

    @property
    def messages(self) -> list[dict[str, Any]]:
        if not self.target.exists():
            return []
        return [json.loads(line) for line in self.target.read_text().splitlines()]

    @property
    def steps(self) -> list[int]:
        return [step for one in self.messages for step in one.get("steps", ())]

    @property
    def ended(self) -> list[str]:
        return [one["ended"] for one in self.messages if "ended" in one]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


async def _serve(port: int, target: Path) -> None:
    file = target.open("ab", buffering=0)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                file.write(await reader.readexactly(length) + b"\n")
                writer.write(b"k")
        except asyncio.IncompleteReadError:
            writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", port) as server:
        print("listening", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
