"""Rollouts come back as they were, whatever their tokens come as and whatever their messages hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.values import Rollout
from tests.unit.logger.recording import recorded

LENGTH = 500
TOKENS = np.arange(LENGTH, dtype=np.int64) * 301 % 150_000
LOGPROBS = -np.random.default_rng(0).exponential(0.4, LENGTH)
MASK = np.arange(LENGTH) >= 100
VERSIONS = np.repeat(np.array([41, 42], np.int64), LENGTH // 2)

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": ""},
    {"role": "user", "content": "Qu'est-ce que « 東京 » ? 🗼" * 200},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": {"at": [1, 2.5, {"deep": True}]}}},
            {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": '{"at": null}'}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "name": "look", "content": [{"type": "text", "text": "Τόκιο"}]},
    {"role": "assistant", "content": "The capital of Japan."},
]

FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": lambda array: array,
    "torch": torch.from_numpy,
    "lists": lambda array: array.tolist(),
}


def mapping(form: str) -> dict[str, Any]:
    of = FORMS[form]
    return {
        "messages": MESSAGES,
        "tokens": of(TOKENS),
        "loss_mask": of(MASK),
        "logprobs": of(LOGPROBS),
        "versions": of(VERSIONS),
        "reward": 0.5,
        "rewards": {"answer": 1.0, "format": 0.0},
        "advantage": of(LOGPROBS),
        "group": "prompt-7",
        "stop": "eos",
        "info": {"seconds": 1.5},
    }


async def read_back(path: Path, *given: Any) -> list[Any]:
    async def body(log: al.MultiLogger) -> None:
        for number, one in enumerate(given):
            async with log.at(number) as entry:
                entry.log_rollout("rollout", one)

    run = await recorded(path, body, strict=True)
    return [event.value for event in run.events(kind="rollout")]


@pytest.mark.parametrize("form", FORMS)
async def test_tokens_of_any_make_come_back_bit_for_bit(tmp_path: Path, form: str) -> None:
    (found,) = await read_back(tmp_path, mapping(form))
    for name, wanted in (
        ("tokens", TOKENS),
        ("loss_mask", MASK),
        ("logprobs", LOGPROBS),
        ("versions", VERSIONS),
        ("advantage", LOGPROBS),
    ):
        assert getattr(found, name).dtype == wanted.dtype
        np.testing.assert_array_equal(getattr(found, name), wanted)
    assert found.messages == MESSAGES
    assert (found.reward, found.rewards, found.group, found.stop) == (0.5, {"answer": 1.0, "format": 0.0}, "prompt-7", "eos")


async def test_an_object_comes_back_like_the_mapping_of_its_fields(tmp_path: Path) -> None:
    one, other = await read_back(tmp_path, mapping("numpy"), Rollout(**mapping("numpy")))
    assert one == other


async def test_what_holds_for_all_tokens_stays_one_number(tmp_path: Path) -> None:
    given = {"tokens": [1, 2, 3], "advantage": -0.25, "versions": 7}
    (found,) = await read_back(tmp_path, given)
    assert (found.advantage, found.versions) == (-0.25, 7)


# As numpy says what a list of numbers is, so it is recorded.
LISTS: dict[str, list[Any]] = {
    "whole numbers": [0, -1, 2**62],
    "floats": [0.5, -0.0, float("nan"), float("inf")],
    "whole numbers, then floats": [1, 2.5],
    "floats, then whole numbers": [2.5, 1],
    "whole numbers, then truth": [1, True],
    "truth": [True, False],
    "beyond 64 bits with a sign": [1, 2**63],
    "numbers of numpy": [np.float32(0.1), np.float32(0.2)],
    "whole numbers, then one of numpy": [1, np.int32(2)],
    "one": [3],
}


@pytest.mark.parametrize("given", LISTS.values(), ids=LISTS)
async def test_a_list_of_numbers_is_what_numpy_makes_of_it(tmp_path: Path, given: list[Any]) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("list", given)
        await log.write(0)

    run = await recorded(tmp_path, body, strict=True)
    (event,) = run.events(kind="tensor")
    wanted = np.asarray(given)
    assert event.value.data.dtype == wanted.dtype
    assert event.value.data.tobytes() == wanted.tobytes()
