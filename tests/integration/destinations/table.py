"""docs/reference/destinations.md, made from what the destinations' exams hold them to.

python -m tests.integration.destinations.table    writes it anew
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asynclog.values import EVERY_KIND
from tests.integration.destinations.exam import ROOT, DestinationTests

PAGE: Final = ROOT / "docs" / "reference" / "destinations.md"
_HEAD: Final = """\
# Destinations, kind by kind

What each destination shows of each kind, in its own terms. This page is made from the tests: each of them records one run
with a value of every kind in it, delivers it live and again by [`asynclog sync`](../howto/sync.md), reads it back with the
destination's own reader, and compares. The same is done with a training process that is killed in the middle.

● shown · – rejected: counted, and said once.
"""


def exams() -> list[type[DestinationTests]]:
    """Those of all destinations, by name. Their modules are imported; one that skips itself raises what it raises."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"tests.integration.destinations.{path.stem}")
    # By name: pytest may have imported a module under another one.
    named = {one.destination: one for one in _below(DestinationTests) if one.destination}
    return sorted(named.values(), key=lambda one: one.destination.lower())


def _below(base: type[DestinationTests]) -> Iterator[type[DestinationTests]]:
    for one in base.__subclasses__():
        yield one
        yield from _below(one)


def page(found: list[type[DestinationTests]]) -> str:
    """The page as it should stand there."""
    columns = [one.destination for one in found]
    lines = [
        _HEAD,
        _row("kind", *columns),
        _row("---", *[":-:"] * len(columns)),
        *[_row(f"[{kind}]({_kind_page(kind)})", *["●" if kind in one.shows else "–" for one in found]) for kind in EVERY_KIND],
    ]
    for one in found:
        lines += ["", *_section(one)]
    return "\n".join(lines) + "\n"


def _section(one: type[DestinationTests]) -> Iterator[str]:
    yield f"## {one.destination}"
    yield ""
    if one.reader:
        yield f"Read back by {one.reader}. {_sentences(one)}"
        yield ""
    yield _row("kind", "becomes")
    yield _row("---", "---")
    terms: dict[str, list[str]] = {}
    for kind in EVERY_KIND:
        if kind in one.shows:
            terms.setdefault(one.shows[kind], []).append(kind)
    for term, kinds in terms.items():
        yield _row(", ".join(kinds), term)


def _sentences(one: type[DestinationTests]) -> str:
    precision = {"float64": "exact", "float32": "float32"}.get(one.number.__name__, one.number.__name__)
    said = [f"Numbers are {precision}."]
    said.append("What is delivered again is shown once." if one.dedupes else "What is delivered again is shown again.")
    if one.statuses:
        said.append("The run's end: " + ", ".join(f"{ours} is {theirs}" for ours, theirs in one.statuses.items()) + ".")
    return " ".join(said)


def _kind_page(kind: str) -> str:
    return f"../kinds/{kind.replace('_', '-')}.md"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(exams()), encoding="utf-8")
