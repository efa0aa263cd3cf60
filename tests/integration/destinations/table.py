"""docs/reference/destinations.md, made from what the destinations' exams hold them to.

python -m tests.integration.destinations.table            writes it anew
python -m tests.integration.destinations.table --print    says what should stand there

Vendors' libraries need not be there, and can't all be: some exclude each other. So this is a process of its own, in which a
test's module is imported whatever it says it can't do without.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from asynclog.values import EVERY_KIND
from tests.integration.destinations.exam import ROOT, DestinationTests

PAGE: Final = ROOT / "docs" / "reference" / "destinations.md"
_HEAD: Final = """\
# Destinations, kind by kind

What each destination makes of each kind, in its own terms. This page is made from the tests: each of them records one run
with a value of every kind in it, delivers it live and again by [`asynclog sync`](../howto/sync.md), reads it back with the
destination's own reader, and compares. The same is done with a training process that is killed in the middle.

– is rejected: counted, and said once. [Hooks](../kinds/hook.md) reach none of them: no destination asks for any.
"""


def exams() -> list[type[DestinationTests]]:
    """Those of all destinations, by name."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"tests.integration.destinations.{path.stem}")
    return sorted((one for one in _below(DestinationTests) if one.destination), key=lambda one: one.destination.lower())


def _below(base: type[DestinationTests]) -> Iterator[type[DestinationTests]]:
    for one in base.__subclasses__():
        yield one
        yield from _below(one)


def page(found: list[type[DestinationTests]]) -> str:
    """The page as it should stand there."""
    lines = [
        _HEAD,
        _row("kind", *[one.destination for one in found]),
        _row(*["---"] * (len(found) + 1)),
        *[
            _row(f"[{kind}]({_kind_page(kind)})", *[one.shows.get(kind, "–") for one in found])
            for kind in EVERY_KIND
            if kind != "hook"
        ],
        "",
        "## How it was looked at",
        "",
        _row("destination", "read back by", "numbers", "not to the last bit", "delivered again", "how the run ended"),
        _row(*["---"] * 6),
        *[_row(*_looked_at(one)) for one in found],
    ]
    return "\n".join(lines) + "\n"


def _looked_at(one: type[DestinationTests]) -> Iterator[str]:
    yield one.destination
    yield one.reader or "its own reader"
    yield {"float64": "exact"}.get(one.number.__name__, one.number.__name__)
    yield ", ".join(kind for kind in EVERY_KIND if one.tolerance.get(kind)) or "–"
    yield "shown once" if one.dedupes else "shown again"
    yield ", ".join(f"{ours}: {theirs}" for ours, theirs in one.statuses.items()) or "–"


def _kind_page(kind: str) -> str:
    return f"../kinds/{kind.replace('_', '-')}.md"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _if_it_is_there(name: str, *_: Any, **__: Any) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        return ModuleType(name)


if __name__ == "__main__":
    pytest.importorskip = _if_it_is_there
    text = page(exams())
    if "--print" in sys.argv:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
