"""How progress looks on a terminal: rich's bars in columns, or the line that tqdm's users know."""

from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.sinks.progress.tally import Tally
from asynclog.sinks.progress.words import duration, epoch, left, number, numbers, position, safe, speed

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES: Final = ("rich", "tqdm")
_COLOURS: Final = {"train": "green", "valid": "cyan", "test": "magenta"}
_BARS: Final = ((120, 30), (100, 16), (0, 6))
"""At which width of the terminal a bar is how wide."""


def require(style: str) -> None:
    """Raises InvalidConfiguration for what isn't installed."""
    try:
        import rich  # noqa: F401

        if style == "tqdm":
            import tqdm  # noqa: F401
    except ImportError as error:
        raise InvalidConfiguration(
            f"a live Progress needs {error.name}: pip install 'asynclog-stream[progress]', or Progress(live=False) for lines"
        ) from error


def bars(tally: Tally, now_s: float, epochs: int | None, width: int) -> "RenderableType":
    """A bar a phase; one that has no total moves to and fro. Where there is little width, numbers give way first."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for _ in range(6):
        table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    bar_width = next(bar for least, bar in _BARS if width >= least)
    for track in tally.tracks.values():
        colour = _COLOURS.get(track.phase, "white")
        share = f"{track.done / track.total:4.0%}" if track.total else ""
        bar = ProgressBar(
            total=track.total,
            completed=track.done,
            width=bar_width,
            pulse=track.total is None,
            animation_time=now_s,
            complete_style=colour,
            finished_style=f"bold {colour}",
            pulse_style=colour,
        )
        values = Text()
        for name, value in tally.shown(track):
            values.append(f"{safe(name)} ", "dim").append(f"{number(value)}  ", "bold")
        table.add_row(
            Text(track.phase, f"bold {colour}"),
            bar,
            Text(f"{position(track)} {share}".rstrip()),
            Text(speed(track).replace(" steps/s", "/s"), "yellow"),
            Text(f"{duration(now_s - track.first_s)} {left(track)}".rstrip(), "dim"),
            Text(epoch(track, epochs), "blue"),
            values,
        )
    return table


def meters(tally: Tally, now_s: float, epochs: int | None, width: int) -> "RenderableType":
    """tqdm's own line, a phase each."""
    from rich.text import Text
    from tqdm import tqdm

    lines = []
    for track in tally.tracks.values():
        about = epoch(track, epochs)
        options: dict[str, Any] = {"rate": track.pace.speed, "unit": " steps", "ncols": width, "initial": track.initial}
        lines.append(
            tqdm.format_meter(
                track.done,
                track.total,
                max(0.0, now_s - track.first_s),
                prefix=f"{track.phase}{f' {about}' if about else ''}",
                postfix=", ".join(numbers([one]) for one in tally.shown(track)),
                **options,
            )
        )
    return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
