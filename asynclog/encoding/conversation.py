"""A rollout's messages as somebody reads them: who, what, which tools were called. Whatever a file holds becomes text."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from asynclog.values import Rollout


class Said(NamedTuple):
    """A message. calls: (name, arguments) of the tools it called. to: the tool, or call, that it answers."""

    role: str
    text: str
    calls: list[tuple[str, str]]
    to: str


def conversation(value: Rollout) -> list[Said]:
    """The messages in their order."""
    return [_said(one) if isinstance(one, Mapping) else Said("?", _text(one), [], "") for one in value.messages or ()]


def _said(message: Mapping[str, Any]) -> Said:
    called = message.get("tool_calls") or ()
    calls = [_call(one) for one in called] if isinstance(called, list | tuple) else [_call(called)]
    to = message.get("name") or message.get("tool_call_id") or ""
    return Said(str(message.get("role", "?")), _text(message.get("content")), calls, str(to))


def _text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, list | tuple):
        return "".join(map(_part, content))
    return content if isinstance(content, str) else _json(content)


def _part(part: Any) -> str:
    """Parts of a message are text, or are named: <image_url>."""
    if not isinstance(part, Mapping):
        return _text(part)
    return str(part["text"]) if "text" in part else f"<{part.get('type', 'part')}>"


def _call(call: Any) -> tuple[str, str]:
    function = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(function, Mapping):
        return str(function), ""
    return str(function.get("name", "?")), _text(function.get("arguments", ""))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
