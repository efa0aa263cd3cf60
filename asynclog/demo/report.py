"""What a demo says at the end, and draws: from the recorded run as read back, not from what it remembers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from asynclog.demo import braille, picture
from asynclog.demo.training import Standing
from asynclog.readers.run import read

PICTURE: Final = "learning_curve.png"
TRAIN_COLOUR, VALID_COLOUR = "#8fb4e3", "#d9480f"
TRAIN_STYLE, VALID_STYLE = "blue", "bold yellow"
PLURALS: Final = {"point_cloud": "point clouds", "audio": "audio", "config": "config"}

S = TypeVar("S", bound=Standing)


@dataclass(frozen=True, slots=True)
class Curve:
    """A series as recorded, in the order of its steps: step (N,) int64, value (N,) float64."""

    step: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as read back. counts: values of each kind. size_bytes: of all files. curves: the learning curve of each phase.

    status: how the run ended, "finished" if all went well. missing: records that were numbered and can't be found.
    """

    counts: Mapping[str, int]
    size_bytes: int
    curves: Mapping[str, Curve]
    status: str
    missing: int


@dataclass(frozen=True, slots=True)
class DemoResult(Generic[S]):
    """How a demo went; `standing` has what its task says of itself.

    lag_s: p50, p99 and maximum of the event loop's, in seconds. logging_s: how long logging held the loop per learner
    step. interrupted: by Ctrl-C.
    """

    directory: Path
    picture: Path
    standing: S
    lag_s: tuple[float, float, float]
    logging_s: float
    interrupted: bool
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Telling:
    """A task's own words for its end. learned: rows of the summary, (heading, text), with rich's markup.

    over: so many updates are averaged to a point of the training curve. top, goal: of the curve's value; goal with its
    words. commands: command lines worth trying on the run, each with what it does.
    """

    learned: Sequence[tuple[str, str]]
    name: str
    title: str
    subtitle: str
    value: str
    train: str
    valid: str
    over: int
    top: float
    goal: tuple[float, str]
    commands: Sequence[tuple[str, str]]


def read_back(directory: Path, key: str) -> Recorded:
    """Read what the run holds; key: of the learning curve. Takes its time with files: for a thread."""
    recorded = read(directory)
    curves = {}
    for phase in ("train", "valid"):
        series = recorded.series(key, phase=phase)
        order = np.argsort(series.step, kind="stable")
        curves[phase] = Curve(series.step[order], series.value[order].astype(np.float64))
    counts: Counter[str] = Counter()
    for entry in recorded.keys():  # noqa: SIM118 - a method of Run, not a mapping
        counts[entry.kind] += entry.events
    return Recorded(counts, size_of(directory), curves, recorded.status, recorded.missing)


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def draw(result: DemoResult[Any], telling: Telling) -> None:
    """Write the learning curve's picture. Takes a tenth of a second: for a thread."""
    train, valid = result.recorded.curves["train"], result.recorded.curves["valid"]
    smooth = picture.smoothed(train.value, telling.over)
    picture.draw(
        result.picture,
        [
            picture.Curve(telling.train, train.step.astype(np.float64), smooth, TRAIN_COLOUR),
            picture.Curve(telling.valid, valid.step.astype(np.float64), valid.value, VALID_COLOUR, marked=True),
        ],
        title=telling.title,
        subtitle=telling.subtitle,
        x_label="learner's step (updates)",
        y_label=telling.value,
        top=telling.top,
        goal=telling.goal,
    )


def show(console: Console, result: DemoResult[Any], telling: Telling) -> None:
    """Print the curve, the summary, and what to type next."""
    train, valid = result.recorded.curves["train"], result.recorded.curves["valid"]
    smooth = picture.smoothed(train.value, telling.over)
    lines = [
        braille.Line("train", train.step.astype(np.float64), smooth, TRAIN_STYLE),
        braille.Line("valid", valid.step.astype(np.float64), valid.value, VALID_STYLE),
    ]
    width = max(24, min(72, console.width - 24))
    console.print()
    console.print(f"  [bold]{telling.name}[/], {telling.value} over the learner's steps, read back from the run")
    console.print(braille.plot(lines, top=telling.top, unit="updates", width=width))
    console.print()
    console.print(_summary(result, telling))
    console.print()
    console.print("  Type next", style="bold")
    commands = [*first_commands(result.directory), *telling.commands]
    longest = max(len(command) for command, _ in commands)
    for command, purpose in commands:
        console.print(f"    {command:<{longest + 3}}", style="green", end="", highlight=False, soft_wrap=True)
        console.print(purpose, style="dim", highlight=False, soft_wrap=True)


def first_commands(directory: Path) -> list[tuple[str, str]]:
    """Command lines worth trying on any run, each with what it does."""
    return [
        (f"asynclog ls {directory.parent}", "the runs there, their state and size"),
        (f"asynclog cat {directory}", "every recorded value, a line each"),
    ]


def _summary(result: DemoResult[Any], telling: Telling) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    for heading, text in telling.learned:
        table.add_row(heading, text)
    table.add_row("recorded", ", ".join(f"{count:,} {_named(kind, count)}" for kind, count in _by_number(result)))
    recorded, standing = result.recorded, result.standing
    table.add_row("on disk", f"{recorded.size_bytes / 2**20:.1f} MiB in {result.directory}")
    table.add_row("read back", f"{recorded.status}, {recorded.missing or 'nothing'} missing")
    table.add_row(
        "late steps",
        f"{standing.late} of {standing.validations} validations came after the learner had gone on, by up to "
        f"{standing.latest} updates",
    )
    share = result.logging_s * standing.updates / max(standing.elapsed_s, 1e-9)
    table.add_row("logging held the loop", f"{result.logging_s * 1e6:.0f} µs per learner step, {share:.2%} of the time")
    p50, p99, most = (1e3 * lag for lag in result.lag_s)
    table.add_row("the loop's lag", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {most:.1f} ms")
    table.add_row("picture", str(result.picture))
    return table


def _by_number(result: DemoResult[Any]) -> list[tuple[str, int]]:
    return sorted(result.recorded.counts.items(), key=lambda item: (-item[1], item[0]))


def _named(kind: str, count: int) -> str:
    return PLURALS.get(kind, f"{kind}s") if count != 1 else kind.replace("_", " ")
