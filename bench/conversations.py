"""What a policy of a language model says, made beforehand: conversations of several turns in several scripts, with calls of
tools, and 2,000 tokens each with what is known of every one of them.

A rollout is a template with numbers of its own: copies of arrays, as a sampler would hand them over, and a first token that
tells which one it is.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TOKENS = 2_000
VOCABULARY = 150_000
TEMPLATES = 16
PROMPT = 400

_SENTENCES = (
    "The train leaves Geneva at 09:42 and takes 2 h 47 min, so it arrives at 12:29.",
    "Let me check this against the timetable before I answer.",
    "Der Zug um 9.42 Uhr fährt über Lausanne, Sitten und Brig — nicht über Bern.",
    "列車は9時42分に発車し、2時間47分かかります。",
    "Отправление в 9:42, прибытие в 12:29.",
    "∑ᵢ (xᵢ − x̄)² / n ≥ 0, hence the variance can't be negative.",
    "However, the connection at Domodossola has only six minutes 🚆.",
    'In JSON: {"departure": "09:42", "minutes": 167, "changes": ["Domodossola"]}',
)

Messages = list[dict[str, Any]]


def _text(random: np.random.Generator, sentences: int) -> str:
    return " ".join(_SENTENCES[at] for at in random.integers(0, len(_SENTENCES), sentences))


def _messages(random: np.random.Generator, number: int) -> Messages:
    """Some 8 KB of text in six messages: what 2,000 tokens are."""
    call = {
        "id": f"call_{number:08x}",
        "type": "function",
        "function": {"name": "timetable", "arguments": {"from": "Genève", "to": "Milano", "via": ["Brig"], "after": 9.7}},
    }
    return [
        {"role": "system", "content": "You plan journeys. Think first; use the tools that you have; answer in one sentence."},
        {"role": "user", "content": _text(random, 12)},
        {"role": "assistant", "content": _text(random, 30), "tool_calls": [call, {**call, "id": f"call_{number:08x}b"}]},
        {"role": "tool", "tool_call_id": call["id"], "name": "timetable", "content": _text(random, 20)},
        {"role": "tool", "tool_call_id": f"call_{number:08x}b", "name": "timetable", "content": _text(random, 10)},
        {"role": "assistant", "content": _text(random, 40)},
    ]


class Conversations:
    """form: what the tokens and what belongs to them come as: "arrays", "lists", or as "objects", Rollouts of arrays."""

    def __init__(self, form: str) -> None:
        self._form = form
        random = np.random.default_rng(0)
        self._texts = [_messages(random, number) for number in range(TEMPLATES)]
        self._tokens = [self._made(random) for _ in range(TEMPLATES)]
        self._given = [
            {name: one.tolist() if form == "lists" else one for name, one in arrays.items()} for arrays in self._tokens
        ]

    @staticmethod
    def _made(random: np.random.Generator) -> dict[str, NDArray[Any]]:
        return {
            "tokens": random.integers(0, VOCABULARY, TOKENS, np.int32),
            "loss_mask": (np.arange(TOKENS) >= PROMPT).astype(np.uint8),
            "logprobs": -random.exponential(0.4, TOKENS).astype(np.float32),
            "versions": np.repeat(np.array([41, 42], np.int64), TOKENS // 2),
        }

    def rollout(self, number: int, group: int) -> Any:
        """The numbered one, of the numbered group: a mapping, or a Rollout."""
        template = number % TEMPLATES
        given = {name: one.copy() for name, one in self._given[template].items()}
        given["tokens"][0] = number % VOCABULARY
        reward = number % 7 / 7
        made = {
            "messages": self._texts[template],
            **given,
            "reward": reward,
            "rewards": {"answer": reward, "format": 1.0, "length": -0.1},
            "advantage": reward - 0.5,
            "group": f"prompt-{group}",
            "stop": "eos",
            "info": {"environment": "journeys", "seconds": 12.5, "turns": 3},
        }
        if self._form != "objects":
            return made
        from asynclog.values import Rollout

        return Rollout(**made)

    def is_rollout(self, number: int, value: Any) -> bool:
        """Whether what was read back is what was logged as the numbered one."""
        template = number % TEMPLATES
        wanted = self._tokens[template]
        return (
            value.messages == self._texts[template]
            and value.tokens[0] == number % VOCABULARY
            and np.array_equal(value.tokens[1:], wanted["tokens"][1:])
            and all(np.array_equal(getattr(value, name), wanted[name]) for name in ("loss_mask", "logprobs", "versions"))
            and value.reward == number % 7 / 7
            and value.rewards["format"] == 1.0
        )
