"""What a policy said and what it was worth: one sample of reinforcement learning on language models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from asynclog.values.value import Array, Value


@dataclass(frozen=True, eq=False)
class Rollout(Value):
    """messages: each a mapping with "role" and "content", and "tool_calls", "name", "tool_call_id" where there are any.

    tokens: (T,) whole numbers, the prompt's first; loss_mask: (T,) 0 or 1, which of them the policy chose; logprobs: (T,)
    floats, of the policy that chose them. rewards: a number a name; reward: their outcome. advantage: of the whole, or (T,).
    group: those that share a prompt; versions: (T,) which policy made each token, or one number. stop: why it ended.
    """

    kind: ClassVar[str] = "rollout"
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    tokens: Array | None = None
    loss_mask: Array | None = None
    logprobs: Array | None = None
    reward: float | None = None
    rewards: Mapping[str, float] = field(default_factory=dict)
    advantage: float | Array | None = None
    group: str | int | None = None
    versions: int | Array | None = None
    stop: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def transcript(self) -> str:
        """The messages as text, each under its role."""
        return "\n\n".join(f"[{one.get('role', '?')}]\n{_content(one)}" for one in self.messages)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, list):
        # The parts of a message: text, and others that are named.
        content = "".join(str(part.get("text", f"<{part.get('type', 'part')}>")) for part in content)
    calls = "".join(f"\n→ {call.get('function', call)}" for call in message.get("tool_calls") or ())
    return f"{content}{calls}"
