"""Shapes to learn, and how they look: lumpy balls, each a radius for every direction, meshed, sampled and drawn."""

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray


class Shapes(torch.utils.data.Dataset[torch.Tensor]):
    """radii (number, directions) in about 0.5 to 1.5."""

    def __init__(self, number: int, subdivisions: int, seed: int) -> None:
        ball = trimesh.creation.icosphere(subdivisions=subdivisions)
        self.directions = np.asarray(ball.vertices, np.float32)
        self.faces = np.asarray(ball.faces)
        random = np.random.default_rng(seed)
        axes = random.normal(size=(number, 3, 3)).astype(np.float32)
        lumps = np.einsum("nld,vd->nlv", axes / np.linalg.norm(axes, axis=2, keepdims=True), self.directions)
        heights = random.uniform(0.1, 0.4, (number, 3, 1)).astype(np.float32)
        self.radii = torch.from_numpy(0.7 + (heights * np.exp(4.0 * (lumps - 1.0))).sum(1))

    def __len__(self) -> int:
        return len(self.radii)

    def __getitem__(self, at: int) -> torch.Tensor:
        return self.radii[at]

    def places(self, radii: torch.Tensor) -> NDArray[np.float32]:
        """(directions, 3), of one shape."""
        return self.directions * radii.detach().cpu().numpy()[:, None]

    def mesh(self, radii: torch.Tensor) -> trimesh.Trimesh:
        """Of one shape."""
        return trimesh.Trimesh(self.places(radii), self.faces, process=False)


def depth(places: NDArray[np.float32], angle: float, size: int = 48) -> NDArray[np.float32]:
    """(size, size) in [0, 1]: how near the surface is, seen from ``angle`` about the vertical axis; 0 where there is none."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = cos * places[:, 0] + sin * places[:, 2], places[:, 1], cos * places[:, 2] - sin * places[:, 0]
    picture = np.zeros((size, size), np.float32)
    # Each point covers a patch, so that a few hundred make a surface.
    for down in range(-2, 3):
        for right in range(-2, 3):
            column = np.clip(((x + 1.4) / 2.8 * size).astype(int) + right, 0, size - 1)
            row = np.clip(((1.4 - y) / 2.8 * size).astype(int) + down, 0, size - 1)
            np.maximum.at(picture, (row, column), (z + 1.4) / 2.8)
    return picture


def render(places: NDArray[np.float32], colour: tuple[float, float, float], angle: float = 0.6) -> NDArray[np.float32]:
    """(3, size, size) in [0, 1]."""
    return depth(places, angle)[None] * np.array(colour, np.float32)[:, None, None]


def turntable(places: NDArray[np.float32], frames: int = 8) -> NDArray[np.float32]:
    """(frames, 1, size, size) in [0, 1]: once around."""
    return np.stack([depth(places, 2 * np.pi * frame / frames)[None] for frame in range(frames)])
