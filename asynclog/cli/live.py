"""What ``asynclog stats`` shows of a run while it is recorded: how far behind each consumer is, who holds shared memory."""

import time
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from asynclog.cli.screen import safe, screen
from asynclog.cli.surroundings import standing_still, stillness
from asynclog.cli.words import duration, size

_STATES: Final = {"failing": "yellow", "stopped": "red"}


def print_live(writer: str, report: dict[str, Any] | None) -> None:
    """One writer's recorder: its routes and who attached themselves, and shared memory with its holders. None: it is silent."""
    screen.print()
    if report is None:
        text = "  its recorder doesn't answer: it is stopped, or has a lot to do"
        screen.print(Text.assemble(("live", "bold yellow"), f"  {safe(writer)}", (text, "yellow")))
        return
    screen.print(Text.assemble(("live", "bold green"), f"  {safe(writer)}  recorder {safe(str(report.get('pid', '?')))}"))
    still = standing_still(report, time.time_ns())
    if still is not None:
        screen.print(Text(stillness(still), "bold red"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("consumer", no_wrap=True)
    for name in ("place", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("pending", "behind", "process", "restarts", "holds"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in _mapping(report.get("routes")).items():
        state = str(one.get("state", ""))
        table.add_row(
            Text(safe(name)), safe(str(one.get("place", ""))), Text(safe(state, 20), _STATES.get(state, "")),
            _number(one, "pending"), _behind(one), str(one.get("pid") or "–"), _number(one, "restarts"), _holds(one),
        )  # fmt: skip
    for one in report.get("attached") or []:
        table.add_row(
            Text(safe(str(one.get("name", "")))), "attached", "live" if one.get("live") else "reads the journal",
            _number(one, "behind_records"), _behind(one), "–", "–", _holds(one),
        )  # fmt: skip
    if table.row_count:
        screen.print(table)
    _print_memory(_mapping(report.get("slabs")))


def _print_memory(slabs: dict[str, Any]) -> None:
    if not slabs:
        return
    line = Text("shared memory  ", "dim")
    line.append(f"{size(slabs.get('bytes_in_use', 0))} in use of {size(slabs.get('bytes', 0))}, ")
    line.append(f"at most {size(slabs.get('high_water_bytes', 0))} so far, {size(slabs.get('quota_bytes', 0))} allowed")
    refusals = slabs.get("refusals", 0)
    line.append(f", {refusals:,} times none was left", "yellow" if refusals else "dim")
    screen.print(line)
    held = _mapping(slabs.get("held_bytes"))
    if held:
        screen.print(Text("held by  ", "dim") + Text(", ".join(f"{safe(name)} {size(one)}" for name, one in held.items())))


def _mapping(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _number(one: dict[str, Any], name: str) -> str:
    amount = one.get(name)
    return f"{amount:,}" if isinstance(amount, int) else "–"


def _behind(one: dict[str, Any]) -> str:
    seconds = one.get("behind_s")
    return duration(seconds) if isinstance(seconds, float) and seconds >= 0.05 else "–"


def _holds(one: dict[str, Any]) -> str:
    lent = one.get("lent_bytes")
    return size(lent) if isinstance(lent, int) and lent else "–"
