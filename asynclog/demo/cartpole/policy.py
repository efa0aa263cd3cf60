"""The policy, and how it learns: proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347), cut in slices.

`Learner.update` is a generator that yields after every minibatch, so that whoever drives it decides what happens in
between: on an event loop, everybody else's turn. One slice takes one or two milliseconds. Actors never touch torch:
they play with a `Snapshot`, the weights as numpy arrays, which decides on one observation in 5 microseconds.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIDDEN: Final = 64
DISCOUNT: Final = 0.99
TRACE_DECAY: Final = 0.95
CLIP: Final = 0.2
ENTROPY_WEIGHT: Final = 0.003
VALUE_WEIGHT: Final = 0.5
LARGEST_GRADIENT: Final = 0.5
EPOCHS: Final = 4
MINIBATCH: Final = 256

Layers = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]


class Snapshot:
    """The policy's weights as they were after `version` updates, ready to play.

    layers: (in, out) weights and (out,) biases, float32, tanh between them; the last has two outputs, the logits of
    pushing left and right.
    """

    __slots__ = ("_first", "_last", "_middle", "version")

    def __init__(self, version: int, layers: Layers) -> None:
        self.version = version
        self._first, self._middle, self._last = layers

    def first_layer(self) -> NDArray[np.float32]:
        """Return the weights from the four observations to the first hidden layer, (4, HIDDEN) float32."""
        return self._first[0]

    def _preference(self, observation: NDArray[np.float32]) -> float:
        hidden = np.tanh(observation @ self._first[0] + self._first[1])
        hidden = np.tanh(hidden @ self._middle[0] + self._middle[1])
        left, right = (hidden @ self._last[0] + self._last[1]).tolist()
        return float(right - left)

    def sample(self, observation: NDArray[np.float32], chance: float) -> tuple[int, float]:
        """Return an action (0 or 1), drawn with `chance`, uniform in [0, 1), and its log probability."""
        preference = self._preference(observation)
        right = 1.0 / (1.0 + math.exp(-preference))
        if chance < right:
            return 1, -math.log1p(math.exp(-preference))
        return 0, -math.log1p(math.exp(preference))

    def best(self, observation: NDArray[np.float32]) -> int:
        """Return the likelier action, 0 or 1."""
        return int(self._preference(observation) > 0.0)

    def __repr__(self) -> str:
        return f"<Snapshot after {self.version} updates>"


@dataclass(frozen=True, slots=True)
class Batch:
    """What an update learns from: N steps of A actors, arrays (N, A, ...), as in a Fragment.

    Steps of one column follow one another until `ended`.
    """

    observation: NDArray[np.float32]
    following: NDArray[np.float32]
    action: NDArray[np.int64]
    log_probability: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    ended: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Figures:
    """How an update went, averaged over its minibatches."""

    loss: float
    policy_loss: float
    value_loss: float
    entropy: float
    gradient_norm: float
    clipped: float
    explained_variance: float


def _tower(outputs: int) -> nn.Sequential:
    layers = [nn.Linear(4, HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, outputs)]
    for layer, gain in zip(layers, (2**0.5, 2**0.5, 0.01 if outputs == 2 else 1.0), strict=True):
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def advantages(value: NDArray[np.float32], following_value: NDArray[np.float32], batch: Batch) -> NDArray[np.float32]:
    """Estimate advantages (Schulman et al. 2016, arXiv:1506.02438); (N, A) float32. Every step's reward is 1.

    An episode cut off by its time limit is worth what the critic expects of the state that it would have gone on from.
    """
    surprise = 1.0 + DISCOUNT * following_value * ~batch.terminated - value
    estimate = np.empty_like(value)
    trace = np.zeros(value.shape[1], np.float32)
    for i in range(len(value) - 1, -1, -1):
        trace = surprise[i] + DISCOUNT * TRACE_DECAY * ~batch.ended[i] * trace
        estimate[i] = trace
    return estimate


class Learner:
    """Policy, critic and optimiser. `version` counts the finished updates, `figures` are the last one's."""

    def __init__(self, seed: int, rate: float = 1e-3) -> None:
        torch.manual_seed(seed)
        self.version = 0
        self.figures: Figures | None = None
        self._rate = rate
        self._policy, self._critic = _tower(2), _tower(1)
        self._parameters = [*self._policy.parameters(), *self._critic.parameters()]
        self._optimiser = torch.optim.Adam(self._parameters, lr=rate, eps=1e-5, fused=True)
        self._shuffle = np.random.default_rng(seed)

    def snapshot(self) -> Snapshot:
        """Take the policy as it is now, for the actors: copies, which no later update changes."""
        linear = [layer for layer in self._policy if isinstance(layer, nn.Linear)]
        return Snapshot(
            self.version,
            tuple((layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()) for layer in linear),
        )

    def weights(self) -> NDArray[np.float32]:
        """Take all weights of policy and critic in one array, (P,) float32."""
        return torch.cat([parameter.detach().reshape(-1) for parameter in self._parameters]).numpy()

    def gradients(self) -> NDArray[np.float32]:
        """Take the gradient of the last minibatch, clipped as it was applied, (P,) float32; zeros before the first."""
        flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        return torch.cat([gradient.reshape(-1) for gradient in flat]).numpy()

    def update(self, batch: Batch, left: float = 1.0) -> Iterator[None]:
        """Learn from a batch, yielding after every slice of one or two milliseconds.

        left: the share of the training still ahead, 1 to 0; the step size shrinks with it.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * max(left, 0.05)
        observation = torch.from_numpy(batch.observation.reshape(-1, 4))
        with torch.no_grad():
            value = self._critic(observation).numpy().reshape(batch.action.shape)
            following_value = self._critic(torch.from_numpy(batch.following)).numpy().reshape(batch.action.shape)
        yield
        estimate = advantages(value, following_value, batch)
        target = torch.from_numpy((estimate + value).reshape(-1))
        advantage = torch.from_numpy(((estimate - estimate.mean()) / (estimate.std() + 1e-8)).reshape(-1))
        action = torch.from_numpy(batch.action.reshape(-1))
        before = torch.from_numpy(batch.log_probability.reshape(-1))
        yield
        rows: list[tuple[float, ...]] = []
        for _ in range(EPOCHS):
            order = self._shuffle.permutation(len(action))
            for start in range(0, len(order), MINIBATCH):
                chosen = torch.from_numpy(order[start : start + MINIBATCH])
                rows.append(
                    self._descend(observation[chosen], action[chosen], before[chosen], advantage[chosen], target[chosen])
                )
                yield
        residual = float(np.var(estimate) / max(float(np.var(estimate + value)), 1e-8))
        loss, policy_loss, value_loss, entropy, norm, clipped = np.mean(rows, axis=0).tolist()
        self.figures = Figures(loss, policy_loss, value_loss, entropy, norm, clipped, 1.0 - residual)
        self.version += 1

    def _descend(
        self, observation: Tensor, action: Tensor, before: Tensor, advantage: Tensor, target: Tensor
    ) -> tuple[float, ...]:
        logits = torch.log_softmax(self._policy(observation), dim=-1)
        ratio = torch.exp(logits.gather(1, action[:, None])[:, 0] - before)
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
        entropy = -(logits.exp() * logits).sum(-1).mean()
        policy_loss = -gain.mean()
        value_loss = nn.functional.mse_loss(self._critic(observation)[:, 0], target)
        loss = policy_loss + VALUE_WEIGHT * value_loss - ENTROPY_WEIGHT * entropy
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self._parameters, LARGEST_GRADIENT)
        self._optimiser.step()
        clipped = ((ratio - 1).abs() > CLIP).float().mean()
        return tuple(torch.stack([loss, policy_loss, value_loss, entropy, norm, clipped]).detach().tolist())
