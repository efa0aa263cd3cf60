"""``asynclog diff``: what two runs were told differently, and how differently they ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.table import Table
from rich.text import Text

from asynclog.cli.screen import PHASE_STYLES, print_json, read_run, safe, screen
from asynclog.cli.words import number
from asynclog.readers import Run
from asynclog.readers.series import Name

_ABSENT: Final = "–"


class Setting(NamedTuple):
    """A setting that differs. before, after: None where a run doesn't have it."""

    name: str
    before: Any
    after: Any


class Ending(NamedTuple):
    """The last number of a series in either run, and its step; None where a run doesn't have the series."""

    name: Name
    before: float | int | None
    after: float | int | None

    @property
    def change(self) -> float | None:
        """after − before, where both are there."""
        return None if self.before is None or self.after is None else self.after - self.before


def diff(
    before: Annotated[Path, typer.Argument(help="A run's directory.")],
    after: Annotated[Path, typer.Argument(help="Another's.")],
    all_metrics: Annotated[bool, typer.Option("--all", help="Also the metrics that ended alike.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Compare two runs: the settings that differ, and the last value of each metric."""
    one, other = read_run(before), read_run(after)
    changed = settings(one.config, other.config)
    ended = [ending for ending in endings(one, other) if all_metrics or ending.change != 0]
    if as_json:
        print_json(
            {
                "settings": [setting._asdict() for setting in changed],
                "metrics": [
                    {**ending.name._asdict(), "before": ending.before, "after": ending.after, "change": ending.change}
                    for ending in ended
                ],
            }
        )
        return
    names = safe(one.name), safe(other.name) if other.name != one.name else safe(str(after))
    _print_settings(changed, names)
    _print_endings(ended, names)


def settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Setting]:
    """The settings that differ, nested ones by dotted names, in order of name."""
    old, new = dict(flat(before)), dict(flat(after))
    return [
        Setting(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if (name in old) != (name in new) or old[name] != new[name]
    ]


def flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted name, value) of every setting that isn't itself a mapping; an empty mapping is a value."""
    found: list[tuple[str, Any]] = []
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found += flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


def endings(before: Run, after: Run) -> list[Ending]:
    """The last number of every series of either run, by name."""
    old, new = _last(before), _last(after)
    names = sorted(old.keys() | new.keys(), key=lambda name: (name.path, name.phase))
    return [Ending(name, old.get(name), new.get(name)) for name in names]


def _last(run: Run) -> dict[Name, float | int]:
    return {Name(one.phase, one.namespace, one.key): one.value[-1].item() for one in run.all_series() if len(one)}


def _print_settings(changed: list[Setting], names: tuple[str, str]) -> None:
    if not changed:
        screen.print(Text("the same settings", "dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("setting", *names):
        table.add_column(heading, overflow="fold")
    for one in changed:
        table.add_row(Text(safe(one.name)), _setting(one.before, "red"), _setting(one.after, "green"))
    screen.print(table)


def _setting(value: Any, style: str) -> Text:
    return Text(_ABSENT, "dim") if value is None else Text(safe(str(value), 80), style)


def _print_endings(ended: list[Ending], names: tuple[str, str]) -> None:
    screen.print()
    if not ended:
        screen.print(Text("the same last values", "dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("metric", overflow="fold")
    table.add_column("phase")
    for heading in (*names, "change", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in ended:
        style = PHASE_STYLES.get(one.name.phase, "")
        table.add_row(
            Text(safe(one.name.path)),
            Text(safe(one.name.phase), style),
            *(_ABSENT if value is None else number(value) for value in (one.before, one.after)),
            *_change(one),
        )
    screen.print(table)


def _change(one: Ending) -> tuple[str, str]:
    if one.change is None:
        return _ABSENT, ""
    share = f"{one.change / abs(one.before):+.1%}" if one.before else ""
    return f"{'+' if one.change > 0 else ''}{number(one.change)}", share
