"""The autoencoder, and how it learns: variational (Kingma and Welling 2014, arXiv:1312.6114), with a linear head that names
the digit. The head sees three of the latents, so the digits come to lie apart in a space that can be looked at; the others
are free to say how a digit is written.

`Learner.update` takes one or two milliseconds, a slice that an event loop can spare. Whoever judges the model has a
`Snapshot`: a copy, which no later update changes.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asynclog.demo.digits.data import NAMES, PIXELS, Digits

LATENT: Final = 8
SEEN: Final = 3
HIDDEN: Final = 128
# Less than one: latents that may say more than the bound pays for draw sharper digits.
KL_WEIGHT: Final = 0.3
NAMING_WEIGHT: Final = 10.0
LARGEST_GRADIENT: Final = 20.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figures:
    """How an update, or a reading, went: means over its digits.

    reconstruction, kl: nats a digit, the two terms of the bound. naming: cross-entropy of the head, nats. error: squared,
    per pixel. accuracy: the share named rightly. loss: reconstruction + KL_WEIGHT kl + NAMING_WEIGHT naming.
    """

    loss: float
    reconstruction: float
    kl: float
    naming: float
    error: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model makes of N digits. mean: (N, LATENT), of each one's latents. rebuilt: (N, 64) in [0, 1], drawn from these.

    probability: (N, 10), of each name. All float32.
    """

    mean: Floats
    rebuilt: Floats
    probability: Floats
    figures: Figures

    @property
    def named(self) -> NDArray[np.int64]:
        """(N,) the likeliest name of each."""
        return np.asarray(self.probability.argmax(axis=1), np.int64)

    def doubts(self, label: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) the places of the digits, beginning with the one whose own name was the least likely."""
        return np.argsort(self.probability[np.arange(len(label)), label], kind="stable")


class Autoencoder(nn.Module):
    """Encoder to means and log variances of the latents, decoder to logits of the pixels, and head, from the first SEEN
    latents to logits of the names."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _tower(PIXELS, 2 * LATENT)
        self.decoder = _tower(LATENT, PIXELS)
        self.head = nn.Linear(SEEN, NAMES)

    def latents(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log variances, (N, LATENT) each."""
        mean, log_variance = self.encoder(pixels).chunk(2, dim=1)
        return mean, log_variance

    def terms(self, pixels: Tensor, label: Tensor, latent: Tensor, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, ...]:
        """The fields of Figures, in their order, for latents drawn from (or equal to) the means."""
        drawn, names = self.decoder(latent), self.head(latent[:, :SEEN])
        count = len(pixels)
        reconstruction = nn.functional.binary_cross_entropy_with_logits(drawn, pixels, reduction="sum") / count
        kl = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum() / count
        naming = nn.functional.cross_entropy(names, label)
        loss = reconstruction + KL_WEIGHT * kl + NAMING_WEIGHT * naming
        error = (torch.sigmoid(drawn) - pixels).square().mean()
        accuracy = (names.argmax(dim=1) == label).float().mean()
        return loss, reconstruction, kl, naming, error, accuracy


def _tower(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, outputs))


class Snapshot:
    """The model as it was after `version` updates, in its `epoch`, to be looked at; safe to use in a thread."""

    __slots__ = ("_model", "epoch", "version")

    def __init__(self, version: int, epoch: int, model: Autoencoder) -> None:
        self.version, self.epoch, self._model = version, epoch, model

    def read(self, digits: Digits) -> Reading:
        """Encode the digits, and draw and name each from the mean of its latents."""
        with torch.no_grad():
            pixels, label = torch.from_numpy(digits.pixels), torch.from_numpy(digits.label)
            mean, log_variance = self._model.latents(pixels)
            figures = Figures(*(float(term) for term in self._model.terms(pixels, label, mean, mean, log_variance)))
        rebuilt, probability = self.draw(mean.numpy())
        return Reading(mean.numpy(), rebuilt, probability, figures)

    def draw(self, latent: Floats) -> tuple[Floats, Floats]:
        """Draw and name (N, LATENT) latents: pixels (N, 64) in [0, 1], and the probability of each name (N, 10)."""
        with torch.no_grad():
            latents = torch.from_numpy(latent)
            pixels = torch.sigmoid(self._model.decoder(latents)).numpy()
            probability = torch.softmax(self._model.head(latents[:, :SEEN]), dim=1).numpy()
        return pixels, probability

    def __repr__(self) -> str:
        return f"<Snapshot after {self.version} updates>"


class Learner:
    """Model and optimiser. `version` counts the updates."""

    def __init__(self, seed: int, rate: float = 4e-3) -> None:
        torch.manual_seed(seed)
        self.version = 0
        self._rate = rate
        self._model = Autoencoder()
        self._parameters = list(self._model.parameters())
        self._optimiser = torch.optim.Adam(self._parameters, lr=rate, fused=True)
        self._chance = torch.Generator().manual_seed(seed)

    def snapshot(self, epoch: int = 0) -> Snapshot:
        """Take the model as it is now."""
        return Snapshot(self.version, epoch, deepcopy(self._model).eval())

    def update(self, batch: Digits, left: float = 1.0) -> Figures:
        """Learn from a batch. left: the share of the training still ahead, 1 to 0; the step size shrinks with it."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * max(left, 0.02)
        pixels, label = torch.from_numpy(batch.pixels), torch.from_numpy(batch.label)
        mean, log_variance = self._model.latents(pixels)
        latent = mean + torch.randn(mean.shape, generator=self._chance) * torch.exp(log_variance / 2)
        terms = self._model.terms(pixels, label, latent, mean, log_variance)
        self._optimiser.zero_grad()
        torch.autograd.backward(terms[0])
        nn.utils.clip_grad_norm_(self._parameters, LARGEST_GRADIENT)
        self._optimiser.step()
        self.version += 1
        return Figures(*torch.stack(terms).detach().tolist())

    def gradients(self) -> Floats:
        """Take the gradient of the last update, as it was applied, (P,) float32; zeros before the first."""
        flat = [torch.zeros_like(one) if one.grad is None else one.grad for one in self._parameters]
        return torch.cat([gradient.reshape(-1) for gradient in flat]).numpy()
