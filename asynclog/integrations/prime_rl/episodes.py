"""Episodes of verifiers as rollouts: one a branch of a trace, which is what one sample of a training is.

By the names of their attributes, so that neither verifiers nor prime-rl is needed: an episode has ``traces``, a trace
``branches`` and ``rewards``, a branch ``messages``, ``token_ids``, ``sampled_mask``, ``logprobs`` and ``advantages``.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from asynclog.integrations.outbox import Said

_COHORT: Final = ("episode", "trace", "group", "reward", "advantage")


def rollouts(episodes: Iterable[Any]) -> list[Said]:
    """Every branch of every trace, under ``episodes/<env>``. Lists of tokens become arrays here: not on a loop."""
    return [
        Said("log_rollout", f"episodes/{_env(episode)}", rollout(episode, trace, branch))
        for episode in episodes
        for trace in getattr(episode, "traces", ())
        for branch in getattr(trace, "branches", ())
    ]


def failures(episodes: Iterable[Any]) -> list[Said]:
    """Episodes that ended with an error: a line of a log each, whether they had a trace or not."""
    said = []
    for episode in episodes:
        error = getattr(episode, "last_error", None)
        if error is not None and not getattr(episode, "ok", True):
            fields = {"episode": _id(episode), "type": _one(error, "type")}
            params = {"level": 40, "logger": "prime_rl", "fields": fields, "exception": _one(error, "traceback")}
            said.append(Said("log_record", f"errors/{_env(episode)}", str(_one(error, "message")), params))
    return said


def cohort(episodes: Iterable[Any]) -> list[Said]:
    """Which of the episodes were trained on: rows of a table, not the tokens a second time."""
    rows = [
        [_id(episode), _id(trace), _group(episode), _number(getattr(trace, "reward", None)), _mean(_advantages(trace))]
        for episode in episodes
        for trace in getattr(episode, "traces", ())
    ]
    return [Said("log_table", "effective", rows, {"columns": _COHORT})] if rows else []


def rollout(episode: Any, trace: Any, branch: Any) -> dict[str, Any]:
    """A branch, with what its trace was worth."""
    rewards = {name: _number(_value(one)) for name, one in dict(getattr(trace, "rewards", None) or {}).items()}
    metrics = {name: one for name, one in dict(getattr(trace, "metrics", None) or {}).items() if one is not None}
    found: dict[str, Any] = {
        "messages": [_message(one) for one in getattr(branch, "messages", ())],
        "reward": _number(getattr(trace, "reward", None)),
        "rewards": {name: one for name, one in rewards.items() if one is not None},
        "group": _group(episode),
        "stop": getattr(trace, "stop_condition", None),
        "info": {
            "episode": _id(episode),
            "trace": _id(trace),
            "branch": getattr(branch, "index", 0),
            "metrics": metrics,
            "info": dict(getattr(trace, "info", None) or {}),
        },
    }
    tokens = list(getattr(branch, "token_ids", None) or ())
    if tokens:
        found["tokens"] = np.asarray(tokens, np.int64)
        for name, values, dtype in (
            ("loss_mask", getattr(branch, "sampled_mask", None), np.uint8),
            ("logprobs", getattr(branch, "logprobs", None), np.float32),
            ("advantage", getattr(branch, "advantages", None), np.float32),
        ):
            if values is not None and len(values) == len(tokens):
                found[name] = np.asarray(values, dtype)
    if "advantage" not in found:
        found["advantage"] = _number(found["info"]["info"].get("advantage"))
    policy = _policy(episode)
    if policy is not None:
        found["versions"] = policy[1]
        found["info"]["policy"] = list(policy)
    return {name: one for name, one in found.items() if one is not None}


def policy_axis(episodes: Iterable[Any]) -> dict[str, float]:
    """The newest policy among them, as an axis."""
    reached = [policy[1] for one in episodes if (policy := _policy(one)) is not None]
    return {"policy_version": max(reached)} if reached else {}


def _policy(episode: Any) -> tuple[int, int] | None:
    span = getattr(getattr(getattr(episode, "run", None), "work", None), "policy", None)
    return None if span is None else (int(span.start), int(span.end))


def _advantages(trace: Any) -> list[float]:
    return [one for branch in getattr(trace, "branches", ()) for one in getattr(branch, "advantages", None) or () if one]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _message(message: Any) -> dict[str, Any]:
    held = message.model_dump(exclude_none=True) if hasattr(message, "model_dump") else dict(message)
    return {str(name): one for name, one in held.items() if one is not None}


def _value(reward: Any) -> Any:
    return getattr(reward, "value", reward)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _one(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _id(one: Any) -> str:
    return str(getattr(one, "id", ""))


def _group(episode: Any) -> str | None:
    group = getattr(episode, "group", None)
    return None if group is None else str(getattr(group, "id", group))


def _env(episode: Any) -> str:
    env = getattr(episode, "env", None)
    return str(getattr(env, "name", None) or getattr(env, "id", None) or "env")
