"""What is recorded, on the terminal: a coloured tree a write; one plain line a write where nobody sees colours."""

import asyncio
import io
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, TextIO

from asynclog.errors import InvalidConfiguration
from asynclog.sink import Batch, Event, Place, RunInfo, Write
from asynclog.sinks.naming import flat_name
from asynclog.sinks.summary import in_brief

if TYPE_CHECKING:
    from rich.text import Text

_PHASES: Final = {"train": "green", "valid": "cyan", "test": "magenta"}
_LONGEST: Final = 80
_WIDTH: Final = 120  # of a stream that has none of its own


class Console:
    """Shows each write: nested by namespace and "/", coloured, four significant digits, media in words.

    file: where to; None: standard error. tree: True for the coloured tree, False for one plain line a write (which
    needs no further package), None for a tree exactly where ``file`` is a terminal. Raises InvalidConfiguration if a
    tree is asked for and rich isn't installed.

    Shows what it is given: a loop of a thousand steps a second wants a Route with a limit.
    """

    default_place: ClassVar[Place] = "thread"
    ephemeral: ClassVar[bool] = True

    def __init__(self, file: TextIO | None = None, *, tree: bool | None = None) -> None:
        self._file, self._tree = file, tree
        if self._drawn():
            _require_rich()

    async def open(self, run: RunInfo) -> None:
        self._file = sys.stderr if self._file is None else self._file
        self._tree = self._drawn()

    async def write(self, batch: Batch, /) -> None:
        render = _tree if self._drawn() else _line
        colours = self._stream.isatty()
        for one in batch.writes():
            # Rendered here, printed in a thread: a terminal that doesn't read blocks whoever writes to it.
            await asyncio.to_thread(_print, self._stream, render(one, colours))

    async def aclose(self) -> None:
        """Nothing to let go of: the stream is its owner's."""

    @property
    def _stream(self) -> TextIO:
        return sys.stderr if self._file is None else self._file

    def _drawn(self) -> bool:
        return self._stream.isatty() if self._tree is None else self._tree


def _require_rich() -> None:
    try:
        import rich  # noqa: F401
    except ImportError as error:
        raise InvalidConfiguration(
            "a Console's tree is drawn by rich: pip install 'asynclog-stream[console]', or Console(tree=False) for plain lines"
        ) from error


def _print(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _line(write: Write, colours: bool) -> str:
    values = "  ".join(f"{_safe(flat_name(one.namespace, one.key))}={_shown(one)}" for one in write.events)
    return f"{_heading(write)}  {values}\n"


def _tree(write: Write, colours: bool) -> str:
    from rich.console import Console as Terminal
    from rich.text import Text
    from rich.tree import Tree

    heading = Text(_heading(write), style=f"bold {_PHASES[write.state.phase]}")
    root = Tree(heading, guide_style="dim")
    branches: dict[tuple[str, ...], Tree] = {(): root}
    # Numbers of one branch stand in one column.
    widths: dict[tuple[str, ...], int] = {}
    placed = [(_branch(one), one) for one in write.events]
    for (*above, leaf), _ in placed:
        widths[tuple(above)] = max(widths.get(tuple(above), 0), len(leaf))
    for (*above, leaf), one in placed:
        for depth in range(1, len(above) + 1):
            path = tuple(above[:depth])
            if path not in branches:
                branches[path] = branches[path[:-1]].add(Text(path[-1], style="bold"))
        branches[tuple(above)].add(_leaf(leaf.ljust(widths[tuple(above)]), one))
    text = io.StringIO()
    terminal = Terminal(
        file=text, force_terminal=colours, no_color=not colours, width=None if colours else _WIDTH, highlight=False
    )
    terminal.print(root, no_wrap=True, overflow="ellipsis")
    return text.getvalue()


def _leaf(name: str, event: Event) -> "Text":
    from rich.text import Text

    style = {"scalar": "bold", "string": "italic"}.get(event.kind, "dim")
    return Text.assemble(name, "  ", (_shown(event), style))


def _branch(event: Event) -> list[str]:
    """Where the value hangs in the tree: at least one name."""
    return [_safe(part) for part in flat_name(event.namespace, event.key).split("/") if part] or ["''"]


def _heading(write: Write) -> str:
    state = write.state
    clock = datetime.fromtimestamp(write.time_ns / 1e9, UTC).astimezone()
    axes = "".join(f" {_safe(name)} {_number(value)}" for name, value in state.axes.items())
    return f"{clock:%H:%M:%S} {state.phase} step {state.step}{f' epoch {state.epoch}' if state.epoch else ''}{axes}"


def _shown(event: Event) -> str:
    return _number(event.value) if event.kind == "scalar" else _safe(in_brief(event.kind, event.value))


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _safe(text: str) -> str:
    """Text that can't move the cursor or flood the screen."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
