"""What the demo says at the end, and draws: from the recorded run as read back, not from what it remembers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from asynclog.demo import braille, cartpole, picture
from asynclog.demo.loop import HELD_OUT_SEEDS, SOLVED_RETURN
from asynclog.readers.run import read

PICTURE: Final = "learning_curve.png"
# How many updates a point of the training curve averages over: an update sees only one to twenty episodes end.
SMOOTHED_OVER: Final = 10
TRAIN_COLOUR, VALID_COLOUR = "#8fb4e3", "#d9480f"
TRAIN_STYLE, VALID_STYLE = "blue", "bold yellow"
PLURALS: Final = {"point_cloud": "point clouds", "audio": "audio", "config": "config"}


@dataclass(frozen=True, slots=True)
class Curve:
    """A series as recorded, in the order of its steps: step (N,) int64, value (N,) float64."""

    step: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as read back. counts: values of each kind. size_bytes: of all files. returns: the curve of each phase.

    status: how the run ended, "finished" if all went well. missing: records that were numbered and can't be found.
    """

    counts: Mapping[str, int]
    size_bytes: int
    returns: Mapping[str, Curve]
    status: str
    missing: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How the demo went. Returns are means over episodes; `_s` is seconds.

    untrained_return, trained_return: over the same 20 held-out episodes, before training and with the policy kept
    (`kept_update`, the best by validation). solved_s: until the first of five validations in a row of at least 475
    (three in a quick demo); None if that did not happen. late_validations: written after the learner had gone on, by
    `latest_updates` at most. lag_s: p50, p99 and maximum of the event loop's. logging_s: how long logging held the loop
    per learner step.
    """

    directory: Path
    picture: Path
    untrained_return: float
    trained_return: float
    kept_update: int
    solved_s: float | None
    elapsed_s: float
    updates: int
    environment_steps: int
    episodes: int
    validations: int
    late_validations: int
    latest_updates: int
    lag_s: tuple[float, float, float]
    logging_s: float
    interrupted: bool
    recorded: Recorded

    @property
    def gain(self) -> float:
        """By how much the mean return grew."""
        return self.trained_return - self.untrained_return


def read_back(directory: Path) -> Recorded:
    """Read what the run holds. Takes its time with files: for a thread."""
    recorded = read(directory)
    returns = {}
    for phase in ("train", "valid"):
        series = recorded.series("return", phase=phase)
        order = np.argsort(series.step, kind="stable")
        returns[phase] = Curve(series.step[order], series.value[order].astype(np.float64))
    counts: Counter[str] = Counter()
    for entry in recorded.keys():  # noqa: SIM118 - a method of Run, not a mapping
        counts[entry.kind] += entry.events
    return Recorded(counts, size_of(directory), returns, recorded.status, recorded.missing)


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def draw(result: DemoResult) -> None:
    """Write the learning curve's picture. Takes a tenth of a second: for a thread."""
    train, valid = result.recorded.returns["train"], result.recorded.returns["valid"]
    smooth = picture.smoothed(train.value, SMOOTHED_OVER)
    picture.draw(
        result.picture,
        [
            picture.Curve("train (sampled actions)", train.step.astype(np.float64), smooth, TRAIN_COLOUR),
            picture.Curve("valid (best actions)", valid.step.astype(np.float64), valid.value, VALID_COLOUR, marked=True),
        ],
        title=f"{cartpole.NAME}: mean return {result.untrained_return:.1f} before, {result.trained_return:.1f} after",
        subtitle=f"{len(HELD_OUT_SEEDS)} held-out episodes · {result.updates} updates, "
        f"{result.environment_steps:,} steps of play in {result.elapsed_s:.0f} s",
        x_label="learner's step (updates)",
        y_label="return",
        top=float(cartpole.LONGEST_EPISODE),
        goal=(SOLVED_RETURN, f"solved: {SOLVED_RETURN:.0f}"),
    )


def show(console: Console, result: DemoResult) -> None:
    """Print the curve, the summary, and what to type next."""
    train, valid = result.recorded.returns["train"], result.recorded.returns["valid"]
    smooth = picture.smoothed(train.value, SMOOTHED_OVER)
    lines = [
        braille.Line("train", train.step.astype(np.float64), smooth, TRAIN_STYLE),
        braille.Line("valid", valid.step.astype(np.float64), valid.value, VALID_STYLE),
    ]
    width = max(24, min(72, console.width - 24))
    console.print()
    console.print(f"  [bold]{cartpole.NAME}[/], return over the learner's steps, read back from the run")
    console.print(braille.plot(lines, top=float(cartpole.LONGEST_EPISODE), unit="updates", width=width))
    console.print()
    console.print(_summary(result))
    console.print()
    console.print("  Type next", style="bold")
    commands = next_commands(result.directory)
    longest = max(len(command) for command, _ in commands)
    for command, purpose in commands:
        console.print(f"    {command:<{longest + 3}}", style="green", end="", highlight=False, soft_wrap=True)
        console.print(purpose, style="dim", highlight=False, soft_wrap=True)


def next_commands(directory: Path) -> list[tuple[str, str]]:
    """Command lines worth trying on the run, each with what it does."""
    return [
        (f"asynclog ls {directory.parent}", "the runs there, their state and size"),
        (f"asynclog cat {directory}", "every recorded value, a line each"),
        (f"asynclog verify {directory}", "check every frame"),
        (f"asynclog export csv {directory}", "the numbers as a table"),
    ]


def _summary(result: DemoResult) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    table.add_row(
        "learned",
        f"[bold]{result.untrained_return:.1f} → {result.trained_return:.1f}[/] mean return of {len(HELD_OUT_SEEDS)} "
        f"held-out episodes, untrained → update {result.kept_update}",
    )
    solved = (
        f"not solved: too few validations of {SOLVED_RETURN:.0f} in a row"
        if result.solved_s is None
        else f"solved after {result.solved_s:.1f} s"
    )
    table.add_row("", f"{solved}{', stopped by hand' if result.interrupted else ''}")
    table.add_row(
        "trained",
        f"{result.elapsed_s:.1f} s, {result.updates} updates, {result.episodes:,} episodes, "
        f"{result.environment_steps:,} steps of play",
    )
    table.add_row("recorded", ", ".join(f"{count:,} {_named(kind, count)}" for kind, count in _by_number(result)))
    recorded = result.recorded
    table.add_row("on disk", f"{recorded.size_bytes / 2**20:.1f} MiB in {result.directory}")
    table.add_row("read back", f"{recorded.status}, {recorded.missing or 'nothing'} missing")
    table.add_row(
        "late steps",
        f"{result.late_validations} of {result.validations} validations came after the learner had gone on, by up to "
        f"{result.latest_updates} updates",
    )
    share = result.logging_s * result.updates / max(result.elapsed_s, 1e-9)
    table.add_row("logging held the loop", f"{result.logging_s * 1e6:.0f} µs per learner step, {share:.2%} of the time")
    p50, p99, most = (1e3 * lag for lag in result.lag_s)
    table.add_row("the loop's lag", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {most:.1f} ms")
    table.add_row("picture", str(result.picture))
    return table


def _by_number(result: DemoResult) -> list[tuple[str, int]]:
    return sorted(result.recorded.counts.items(), key=lambda item: (-item[1], item[0]))


def _named(kind: str, count: int) -> str:
    return PLURALS.get(kind, f"{kind}s") if count != 1 else kind.replace("_", " ")
