"""A walk through the latent space, from digit to digit, as a film."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from asynclog.demo.digits.data import NAMES, SIDE
from asynclog.demo.digits.model import SEEN, Snapshot
from asynclog.demo.digits.pictures import COLOURS, grown

FPS: Final = 12
FRAMES_A_LEG: Final = 8
_SCALE: Final = 10
_GAP: Final = 8
_GROUND: Final = 24
_TRAIL: Final = 8

Floats = NDArray[np.float32]


def middles(mean: Floats, label: NDArray[np.int64]) -> Floats:
    """The mean of each digit's latents, (10, L); every digit has to be there."""
    return np.stack([mean[label == digit].mean(axis=0) for digit in range(NAMES)]).astype(np.float32)


def plane(centres: Floats) -> Floats:
    """Two directions (L, 2) in which the digits' middles (10, L) are spread most: their principal axes."""
    _, _, directions = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)
    return np.ascontiguousarray(directions[:2].T, np.float32)


def path(centres: Floats) -> Floats:
    """A way from the middle of 0 to that of 1, and so on to 9 and back: (T, L), FRAMES_A_LEG a leg, slow near the middles."""
    share = np.arange(FRAMES_A_LEG) / FRAMES_A_LEG
    eased = ((1 - np.cos(np.pi * share)) / 2)[:, None]
    legs = [start + (end - start) * eased for start, end in zip(centres, np.roll(centres, -1, axis=0), strict=True)]
    return np.concatenate(legs).astype(np.float32)


def walk(snapshot: Snapshot, mean: Floats, label: NDArray[np.int64]) -> NDArray[np.uint8]:
    """A film of what the model draws on the path, (T, 3, H, W) uint8: at the left the digit, in the colour of its name, at the
    right where in the latent space it is, among the latents `mean` (N, L) of real ones. Tens of milliseconds: for a thread.
    """
    way = path(middles(mean, label))
    pixels, probability = snapshot.draw(way)
    ink = probability @ COLOURS.astype(np.float32)
    # As bright for a brown digit as for a yellow one.
    drawn = grown(pixels, _SCALE)[:, None] * (ink / ink.max(axis=1, keepdims=True))[:, :, None, None]
    seen, way = mean[:, :SEEN], way[:, :SEEN]
    flat = plane(middles(seen, label))
    ground, place = _map(seen @ flat, label, way @ flat)
    maps = np.repeat(ground[None], len(way), axis=0)
    for at in range(len(way)):
        for back in range(min(_TRAIL, at), -1, -1):
            x, y = place[at - back]
            tone = round(255 * (1 - back / (_TRAIL + 1)))
            half = 2 if back == 0 else 0
            maps[at, :, max(y - half, 0) : y + half + 2, max(x - half, 0) : x + half + 2] = tone
    gap = np.zeros((len(way), 3, SIDE * _SCALE, _GAP), np.uint8)
    return np.concatenate([np.rint(drawn).astype(np.uint8), gap, maps], axis=3)


def _map(points: Floats, label: NDArray[np.int64], way: Floats) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Points (N, 2) as dots of their colours on a square (3, H, H), and the places (T, 2) of the way on it."""
    size = SIDE * _SCALE
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (size - 9) / float(max((high - low).max(), 1e-6))

    def places(of: Floats) -> NDArray[np.int64]:
        return np.asarray(np.clip(np.rint((of - (low + high) / 2) * scale + size / 2), 1, size - 2), np.int64)

    ground = np.full((3, size, size), _GROUND, np.uint8)
    x, y = places(points).T
    for across, down in np.ndindex(2, 2):
        ground[:, y + down, x + across] = COLOURS[label].T
    return ground, places(way)
