"""The part of a terminal that progress is painted on, below all that is printed meanwhile.

rich's Live does the painting, and takes what goes to sys.stdout and sys.stderr, so that it appears above. Two things are
other than it has them, because nobody restores a terminal for a process that was killed: the cursor is never hidden, and it
rests on an empty line below, where the shell's next prompt belongs.
"""

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType


class Screen:
    """Blocks: a terminal that doesn't read blocks whoever writes to it. Raises OSError once the terminal is gone."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(file=stream, highlight=False, markup=False)
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            vertical_overflow="visible",
            # What goes to a file or a pipe goes there still.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )
        self._moved: list[tuple[logging.StreamHandler[Any], Any]] = []

    def start(self) -> None:
        streams = (sys.stdout, sys.stderr)
        self._live.start()
        self.console.show_cursor(show=True)
        # Handlers remember the stream that there was when they were made, and would write across what is painted.
        for handler in _stream_handlers():
            before = handler.stream
            if before in streams:
                handler.setStream(sys.stdout if before is streams[0] else sys.stderr)
                self._moved.append((handler, before))

    def paint(self, content: "RenderableType") -> None:
        from rich.console import Group

        self._live.update(Group(content, ""), refresh=True)

    def stop(self, content: "RenderableType", last: str) -> None:
        """Leave the content where it is, and a line below it; all streams are what they were."""
        for handler, before in self._moved:
            handler.setStream(before)
        self._moved.clear()
        self._live.update(content, refresh=True)
        self._live.stop()
        if last:
            self.console.print(last, soft_wrap=True)


def _stream_handlers() -> "list[logging.StreamHandler[Any]]":
    named = [one for one in logging.Logger.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    handlers = {id(handler): handler for logger in (logging.getLogger(), *named) for handler in logger.handlers}
    return [one for one in handlers.values() if type(one) is logging.StreamHandler]
