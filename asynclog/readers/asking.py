"""What a live run says of itself: counters of its routes, who is attached, who holds how much of the shared memory."""

import asyncio
import socket
from pathlib import Path
from typing import Any, Final

from asynclog.engine.door import knock
from asynclog.link.pipe import Pipe
from asynclog.readers.directory import streams

_PATIENCE_S: Final = 2.0
_LONGEST_ANSWER: Final = 16 << 20


def live_reports(run: Path) -> dict[str, dict[str, Any] | None]:
    """By writer, the report of whoever records its stream at this moment; None where he doesn't answer within two seconds.
    Those that nobody records are left out."""
    found: dict[str, dict[str, Any] | None] = {}
    for writer in sorted({one.writer for one in streams(run)}):
        sock = knock(run / "streams" / writer)
        told = {} if sock is None else asyncio.run(_asked(sock))
        if told != {}:
            found[writer] = told
    return found


async def _asked(sock: socket.socket) -> dict[str, Any] | None:
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def settle(told: dict[str, Any]) -> None:
        if not answer.done():
            answer.set_result(told)

    def hear(fields: list[Any], _: memoryview) -> None:
        match fields:
            case ["report", dict(told)]:
                settle(told)

    pipe = Pipe(sock, most_bytes=_LONGEST_ANSWER)
    # Hung up: it is about to leave.
    pipe.start(hear, lambda why: settle({}))
    pipe.post(["hello", "report"])
    try:
        return await asyncio.wait_for(answer, _PATIENCE_S)
    except TimeoutError:
        return None
    finally:
        pipe.close()
