"""3DB's ImageLogger: images/<id>_<channel>.png for what was rendered, segmentation as .npy."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from asynclog.integrations.threedb import BaseLogger, Buffer


class ImageLogger(BaseLogger):
    """(C, H, W) floats in 0–1 as PNG, whatever their size; (1, H, W) segmentations as arrays (H, W)."""

    def __init__(self, root_dir: str, result_buffer: Buffer, config: dict[str, Any]) -> None:
        super().__init__(root_dir, result_buffer, config)
        self.save_keys = config["render_args"]["channels"]
        self.folder = Path(root_dir, "images")
        self.folder.mkdir(exist_ok=True)

    def log(self, item: dict[str, Any]) -> None:
        channels = self.buffer[item["result_ix"]]
        for name in self.save_keys:
            if name not in channels:
                continue
            stem = f"{item['id']}_{name}"
            if name == "segmentation":
                np.save(self.folder / f"{stem}.npy", channels[name][0])
            else:
                pixels = (channels[name].transpose(1, 2, 0) * 255).astype(np.uint8)
                Image.fromarray(pixels.squeeze()).save(self.folder / f"{stem}.png")


Logger = ImageLogger
