"""A renderer's load without a renderer: items as 3DB makes them, and channels of changing shapes."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np

MODELS = ("mug", "banana", "teapot")
ENVIRONMENTS = ("studio.exr", "street.exr")


def renders(number: int, resolutions: list[int], seed: int = 0) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(item, channels) of so many renders. Every third comes without a depth, as if the renderer had none."""
    random = np.random.default_rng(seed)
    for at in range(number):
        height, width = (int(one) for one in random.choice(resolutions, 2))
        zoom, heading = random.uniform(0.5, 2.0), random.uniform(-180.0, 180.0)
        item = {
            "id": str(UUID(bytes=random.bytes(16))),
            "environment": ENVIRONMENTS[at % len(ENVIRONMENTS)],
            "model": MODELS[at % len(MODELS)],
            "render_args": {("CameraControl", "zoom_factor"): zoom, ("OrientationControl", "rotation_z"): heading},
            "control_order": [("controls.camera", "CameraControl"), ("controls.orientation", "OrientationControl")],
        }
        ramp = np.linspace(0, 1, width, dtype=np.float32)
        rgb = np.stack([np.broadcast_to(ramp * share, (height, width)) for share in random.random(3, np.float32)])
        scores = random.normal(size=10).astype(np.float32)
        channels = {
            "rgb": rgb,
            "depth": np.broadcast_to(ramp[::-1], (1, height, width)),
            "segmentation": (rgb[:1] > 0.3).astype(np.int32),
            "output": scores,
            "is_correct": bool(scores.argmax() == 0 or heading > 0),
            "loss": float(np.log(np.exp(scores - scores.max()).sum())),
        }
        if at % 3 == 2:
            del channels["depth"]
        yield item, channels
