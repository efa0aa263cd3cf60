"""The digits: 1,797 pictures of 8 x 8 pixels that scikit-learn ships (Alpaydin and Kaynak 1998), in three parts."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

SIDE: Final = 8
PIXELS: Final = SIDE * SIDE
NAMES: Final = 10
VALID = TEST = 270
_LARGEST: Final = 16.0
# Which digits are held out doesn't depend on the run's seed: runs are to be compared.
_SPLIT_SEED: Final = 20


@dataclass(frozen=True, slots=True)
class Digits:
    """pixels: (N, 64) float32 in [0, 1], row by row, ink is 1. label: (N,) int64, 0 to 9."""

    pixels: NDArray[np.float32]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> "Digits":
        return Digits(self.pixels[chosen], self.label[chosen])

    def some(self, each: int) -> NDArray[np.int64]:
        """Return the places of the first few of every digit, in order of digit: the same pictures every time."""
        return np.concatenate([np.flatnonzero(self.label == digit)[:each] for digit in range(NAMES)])


@dataclass(frozen=True, slots=True)
class Parts:
    """Disjoint: `train` is learned from, `valid` chooses what is kept, `test` judges that."""

    train: Digits
    valid: Digits
    test: Digits

    @classmethod
    def load(cls) -> Self:
        """Take the same parts every time. Reads a file: for a thread."""
        pixels, label = load_digits(return_X_y=True)
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(label))
        whole = Digits((pixels[order] / _LARGEST).astype(np.float32), label[order].astype(np.int64))
        return cls(whole[VALID + TEST :], whole[:VALID], whole[VALID : VALID + TEST])

    def mean_error(self) -> float:
        """Return the squared error per pixel, over `test`, of answering every digit with the mean of `train`."""
        return float(((self.test.pixels - self.train.pixels.mean(axis=0)) ** 2).mean())
