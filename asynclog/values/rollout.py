"""What a policy said and what it was worth: one sample of reinforcement learning on language models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from asynclog.normal.layouts import Fault
from asynclog.values.value import Array, Value, numeric

_PER_TOKEN: Final = {"tokens": "iu", "loss_mask": "biuf", "logprobs": "f", "advantage": "iuf", "versions": "iu"}
_ONE_EACH: Final = "log each sample as a rollout of its own, with the same group"


@dataclass(frozen=True, eq=False)
class Rollout(Value):
    """messages: each a mapping with "role" and "content", and "tool_calls", "name", "tool_call_id" where there are any.

    tokens: (T,) whole numbers, the prompt's first; loss_mask: (T,) 0 or 1, which of them the policy chose; logprobs: (T,)
    floats, of the policy that chose them. rewards: a number a name; reward: their outcome. advantage: of the whole, or (T,).
    group: those that share a prompt; versions: (T,) which policy made each token, or one number. stop: why it ended. All (T,)
    are of one length.
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

    def fault(self) -> Fault | None:
        """What is said of each token is said of all of them, so that a reader can lay them side by side."""
        length, of = None, "tokens"
        for name, kinds in _PER_TOKEN.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray):
                continue
            if array.ndim != 1:
                rows = array.ndim == 2 and 1 in array.shape
                return Fault(f"{name} (T,)", f"shape {array.shape}", f"{name}.reshape(-1) is so" if rows else _ONE_EACH)
            wrong = numeric(array, kinds)
            if wrong is not None:
                return Fault(f"{name} as {wrong.expected}", wrong.got)
            if length is not None and len(array) != length:
                short = f"np.pad({name}, ({length - len(array)}, 0)) puts zeros for the prompt in front"
                return Fault(f"as many {name} as {of}, {length}", f"{len(array)}", short if len(array) < length else None)
            if length is None:
                length, of = len(array), name
        return None

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
