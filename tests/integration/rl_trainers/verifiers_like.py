"""Episodes with the attributes of verifiers' (v1, episode.py and trace.py), and nothing else of it."""

from types import SimpleNamespace
from typing import Any

from docs.examples.async_rl.environment import TURNS
from docs.examples.async_rl.policy import Sample
from tests.integration.rl_trainers.training import text


class Message:
    """As pydantic's: fields, and ``model_dump``."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, Any]:
        return {name: one for name, one in self.fields.items() if one is not None or not exclude_none}


def episode(sample: Sample, number: int, version: int, *, env: str = "digits", error: str | None = None) -> Any:
    """One with one trace of one branch; with an error it has no trace."""
    reward = sum(sample.rewards) / TURNS
    branch = SimpleNamespace(
        index=0,
        messages=[
            Message(role="user", content=text(sample.prompt), name=None),
            Message(role="assistant", content=text(sample.tokens), tool_calls=None),
        ],
        token_ids=sample.prompt + sample.tokens,
        sampled_mask=[False] * TURNS + [True] * TURNS,
        logprobs=[0.0] * TURNS + sample.logprobs,
        advantages=[0.0] * TURNS + [one - 0.5 for one in sample.rewards],
    )
    trace = SimpleNamespace(
        id=f"t{number}",
        branches=[branch],
        reward=reward,
        rewards={"right": SimpleNamespace(score=reward, weight=1.0, value=reward), "unscored": None},
        metrics={"turns": float(TURNS), "unknown": None},
        info={"kind": "train"},
        stop_condition="done",
    )
    failed = None if error is None else SimpleNamespace(type="ValueError", message=error, traceback="Traceback …")
    return SimpleNamespace(
        id=f"e{number}",
        env=SimpleNamespace(id="digits-v1", name=env),
        group=SimpleNamespace(id=f"g{number // 4}"),
        run=SimpleNamespace(work=SimpleNamespace(policy=SimpleNamespace(start=version, end=version + 1))),
        ok=error is None,
        errors=[] if failed is None else [failed],
        last_error=failed,
        traces=[] if error else [trace],
    )
