"""Values as Markdown, for the dashboard of text. What they say stands there as it was said: it is no Markdown of ours."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from logging import getLevelName
from typing import Any, Final

from asynclog.encoding.conversation import conversation
from asynclog.values import Record, Rollout, Table

_MOST_ROWS: Final = 200
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]|])")
_TICKS: Final = re.compile("`+")


def settings(config: Mapping[str, Any]) -> str:
    """A row a setting, "optimizer.lr" of one within another."""
    return _rows(["setting", "value"], [(name, value) for name, value in flat(config)])


def flat(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of each setting that holds no others, names joined by dots."""
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def table(value: Table) -> str:
    """The first rows, and how many there are."""
    rows = value.canonical()
    more = f"\n\n… and {len(rows) - _MOST_ROWS:,} more rows" if len(rows) > _MOST_ROWS else ""
    return _rows(value.columns, rows[:_MOST_ROWS]) + more


def rollout(value: Rollout) -> str:
    """What it was worth, and what was said by whom."""
    worth = {"reward": value.reward, **value.rewards, "group": value.group, "stop": value.stop, **value.info}
    for name in ("advantage", "versions"):
        one = getattr(value, name)
        worth[name] = one if one is None or isinstance(one, int | float) else f"{len(one)} of them"
    if value.tokens is not None:
        worth["tokens"] = len(value.tokens)
    known = {name: one for name, one in worth.items() if one is not None}
    said = [
        f"**{_escaped(one.role)}**{f' to {_escaped(one.to)}' if one.to else ''}\n\n"
        + _quoted("\n".join(filter(None, [one.text, *(f"→ {name}({words})" for name, words in one.calls)])))
        for one in conversation(value)
    ]
    return "\n\n".join([_rows(list(known), [tuple(known.values())]), *said] if known else said)


def record(value: Record) -> str:
    """Level, logger and place; what was said; what else was said; the exception."""
    where = " ".join(filter(None, [value.logger, value.where]))
    parts = [f"**{getLevelName(value.level)}** {_escaped(where)}".rstrip(), _quoted(value.message)]
    if value.fields:
        parts.append(_rows(["field", "value"], list(value.fields.items())))
    if value.exception:
        parts.append(_quoted(value.exception))
    return "\n\n".join(parts)


def _rows(columns: "list[str]", rows: "list[tuple[Any, ...]]") -> str:
    lines = [columns, ["---"] * len(columns)]
    escaped = [[_cell(one) for one in columns], lines[1], *([_cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return "<br>".join(map(_escaped, str(value).splitlines())) or " "


def _escaped(words: Any) -> str:
    return _SPECIAL.sub(r"\\\1", escape(str(words), quote=False))


def _quoted(words: str) -> str:
    """As it stands, between fences longer than any within."""
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(words)), default=0))
    return f"{fence}\n{words}\n{fence}"
