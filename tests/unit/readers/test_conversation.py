"""A rollout's messages as somebody reads them, whatever shape they came in."""

from typing import Any

import pytest

from asynclog.encoding.conversation import Said, conversation
from asynclog.values import Rollout


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "user", "content": "hi"}, Said("user", "hi", [], "")),
        ({"content": None}, Said("?", "", [], "")),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, "b", {"type": "image_url"}]},
            Said("user", "ab<image_url>", [], ""),
        ),
        ({"role": "tool", "content": {"sum": 4}, "tool_call_id": "c1"}, Said("tool", '{"sum": 4}', [], "c1")),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2}}}]},
            Said("assistant", "", [("add", '{"a": 2}')], ""),
        ),
        ({"role": "assistant", "tool_calls": [{"name": "now"}]}, Said("assistant", "", [("now", "")], "")),
        ({"role": "assistant", "tool_calls": "now()"}, Said("assistant", "", [("now()", "")], "")),
        ({"role": 7, "content": 3.5}, Said("7", "3.5", [], "")),
    ],
)  # fmt: skip
def test_a_message_of_any_shape_becomes_text(message: dict[str, Any], said: Said) -> None:
    assert conversation(Rollout([message])) == [said]


def test_a_rollout_without_messages_says_nothing() -> None:
    assert conversation(Rollout()) == []
