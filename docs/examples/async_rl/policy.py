"""The policy, the server that samples from it, and one step of its training."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from docs.examples.async_rl.environment import DIGITS, TURNS

CLIP = 0.3


@dataclass
class Sample:
    """An episode, as the learner needs it. versions: which policy said each of its digits."""

    prompt: list[int]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(DIGITS * TURNS + TURNS, 256), nn.ReLU(), nn.Linear(256, DIGITS))


def observed(prompt: list[int], turn: int) -> list[int]:
    """The places of the ones in what the policy sees."""
    return [*(DIGITS * at + digit for at, digit in enumerate(prompt)), DIGITS * TURNS + turn]


def ones(places: list[list[int]]) -> torch.Tensor:
    seen = torch.zeros(len(places), DIGITS * TURNS + TURNS)
    return seen.scatter_(1, torch.tensor(places), 1.0)


class Server:
    """Samples digits for many episodes at once, as an inference server does: all that ask within a moment are one batch."""

    def __init__(self, seed: int) -> None:
        self._network, self._random = network(), torch.Generator().manual_seed(seed)
        self._asked: list[tuple[list[int], asyncio.Future[tuple[int, float, int]]]] = []
        self._newest: tuple[int, Any] | None = None
        self.version = 0

    async def sample(self, places: list[int]) -> tuple[int, float, int]:
        """(digit, its log-probability, the version of the policy)."""
        answer: asyncio.Future[tuple[int, float, int]] = asyncio.get_running_loop().create_future()
        self._asked.append((places, answer))
        return await answer

    def publish(self, version: int, weights: Any) -> None:
        """From the next batch on; episodes that are under way go on with it."""
        self._newest = (version, weights)

    async def serve(self) -> None:
        while True:
            await asyncio.sleep(0.002)
            asked, self._asked = self._asked, []
            if asked:
                answers = await asyncio.to_thread(self._batch, [places for places, _ in asked])
                for (_, future), answer in zip(asked, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)

    def _batch(self, places: list[list[int]]) -> list[tuple[int, float, int]]:
        if self._newest is not None:
            self.version, weights = self._newest
            self._network.load_state_dict(weights)
            self._newest = None
        with torch.no_grad():
            logprobs = torch.log_softmax(self._network(ones(places)), dim=1)
            digits = torch.multinomial(logprobs.exp(), 1, generator=self._random)
            chosen = logprobs.gather(1, digits)
        return [
            (digit, logprob, self.version) for digit, logprob in zip(digits[:, 0].tolist(), chosen[:, 0].tolist(), strict=True)
        ]


class Learner:
    """Policy gradient with clipped ratios, since episodes were said by policies of a few versions ago."""

    def __init__(self) -> None:
        self.network = network()
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=0.02)
        self._baseline = 0.0

    def update(self, samples: list[Sample]) -> dict[str, Any]:
        """One step; what is worth knowing of it, numbers and arrays."""
        places = [observed(one.prompt, turn) for one in samples for turn in range(TURNS)]
        digits = torch.tensor([one.tokens for one in samples]).reshape(-1, 1)
        before = torch.tensor([one.logprobs for one in samples]).reshape(-1)
        rewards = torch.tensor([one.rewards for one in samples]).reshape(-1)
        advantages = rewards - self._baseline
        self._baseline += 0.1 * (float(rewards.mean()) - self._baseline)
        all_logprobs = torch.log_softmax(self.network(ones(places)), dim=1)
        ratios = (all_logprobs.gather(1, digits)[:, 0] - before).exp()
        loss = -torch.min(ratios * advantages, ratios.clamp(1 - CLIP, 1 + CLIP) * advantages).mean()
        entropy = -(all_logprobs.exp() * all_logprobs).sum(1).mean()
        self._optimizer.zero_grad()
        (loss - 0.01 * entropy).backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        return {
            "loss": loss.item(),
            "entropy": entropy.item(),
            "grad_norm": norm.item(),
            "reward": rewards.mean().item(),
            "advantages": advantages.numpy(),
            "ratios": ratios.detach().numpy(),
        }

    def weights(self) -> Any:
        return {name: one.clone() for name, one in self.network.state_dict().items()}


def arrays(sample: Sample) -> dict[str, Any]:
    """What a recorded rollout has of each token: the prompt's digits first, which nobody chose."""
    prompt = len(sample.prompt)
    return {
        "tokens": np.array(sample.prompt + sample.tokens),
        "loss_mask": np.array([0] * prompt + [1] * TURNS, np.uint8),
        "logprobs": np.array([0.0] * prompt + sample.logprobs, np.float32),
        "versions": np.array([0] * prompt + sample.versions),
    }
