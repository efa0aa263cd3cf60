"""A policy that learns in a second, for the trainers' loops: that of the example, sampled without a server."""

import random

import torch

from docs.examples.async_rl.environment import DIGITS, TURNS
from docs.examples.async_rl.policy import Learner, Sample, observed, ones


def generated(learner: Learner, count: int, version: int, seed: int) -> list[Sample]:
    """Episodes, said by the policy as it is."""
    rng, sampling = random.Random(seed), torch.Generator().manual_seed(seed)
    prompts = [[rng.randrange(DIGITS) for _ in range(TURNS)] for _ in range(count)]
    with torch.no_grad():
        places = [observed(prompt, turn) for prompt in prompts for turn in range(TURNS)]
        logprobs = torch.log_softmax(learner.network(ones(places)), dim=1)
        digits = torch.multinomial(logprobs.exp(), 1, generator=sampling)
        chosen = logprobs.gather(1, digits).reshape(count, TURNS).tolist()
    said = digits.reshape(count, TURNS).tolist()
    return [
        Sample(
            prompt,
            tokens,
            given,
            [float(one == right) for one, right in zip(tokens, prompt[::-1], strict=True)],
            [version] * TURNS,
        )
        for prompt, tokens, given in zip(prompts, said, chosen, strict=True)
    ]


def text(digits: list[int]) -> str:
    return " ".join(map(str, digits))
