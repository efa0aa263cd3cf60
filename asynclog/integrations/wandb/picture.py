"""W&B's images, with their masks and boxes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from asynclog.integrations.outbox import Said
from asynclog.integrations.wandb.media import Media, is_file
from asynclog.integrations.wandb.said import once


class Image(Media):
    """data_or_path: an array (H, W) or (H, W, C), a tensor (H, W) or (C, H, W), a PIL image, a figure of matplotlib, another
    Image, or a file, which is read with Pillow.

    mode: Pillow's, into which it is converted. masks: name to {"mask_data": (H, W), "class_labels": {number: word}}; boxes:
    name to {"box_data": […], "class_labels": …}; classes: words for numbers where those have none. grouping and file_type are
    W&B's own: whoever shows a recorded image encodes it.
    """

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Any = None,
        boxes: Mapping[str, Any] | None = None,
        masks: Mapping[str, Any] | None = None,
        file_type: str | None = None,
    ) -> None:
        super().__init__(caption)
        of: Image | None = data_or_path if isinstance(data_or_path, Image) else None
        self.data: Any = _opened(data_or_path, mode) if of is None else of.data
        self._boxes: Mapping[str, Any] = boxes or ({} if of is None else of._boxes)
        self._masks: Mapping[str, Any] = masks or ({} if of is None else of._masks)
        if of is not None and caption is None:
            self.caption = of.caption
        self._words = {int(one["id"]): str(one["name"]) for one in getattr(classes, "_class_set", classes) or ()}

    @property
    def plain(self) -> bool:
        """Whether there is nothing over it."""
        return not self._boxes and not self._masks

    @property
    def layout(self) -> str | None:
        """Tensors have their channels first, arrays last."""
        if getattr(self.data, "ndim", 0) != 3:
            return None
        return "CHW" if hasattr(self.data, "detach") else "HWC"

    def said(self, key: str) -> list[Said]:
        given: dict[str, Any] = {"caption": self.caption, "layout": self.layout, "keep_resolution": True}
        if self._masks:
            given["masks"] = {name: np.asarray(one["mask_data"]) for name, one in self._masks.items()}
            given["mask_labels"] = {name: one.get("class_labels") or self._words for name, one in self._masks.items()}
        if self._boxes:
            given |= self._drawn_boxes()
        return [Said("log_image", key, self.data, {name: one for name, one in given.items() if one is not None})]

    def _drawn_boxes(self) -> dict[str, Any]:
        height, width = self._size()
        corners, labels, scores = [], [], []
        for group in self._boxes.values():
            words = group.get("class_labels") or self._words
            for box in group["box_data"]:
                scale = (1, 1) if box.get("domain") == "pixel" else (width, height)
                corners.append(_corners(box["position"], *scale))
                labels.append(str(box.get("box_caption") or words.get(box.get("class_id"), box.get("class_id", ""))))
                scores.append(float(next(iter((box.get("scores") or {}).values()), np.nan)))
        scored = not np.isnan(scores).all()
        return {"boxes": np.array(corners, np.float64), "box_labels": labels, "box_scores": scores if scored else None}

    def _size(self) -> tuple[int, int]:
        if hasattr(self.data, "height"):
            return self.data.height, self.data.width
        rows = 1 if self.layout == "CHW" else 0
        return self.data.shape[rows], self.data.shape[rows + 1]


def several(key: str, images: Sequence[Image]) -> list[Said]:
    """A list of images: one batch, or one by one where masks or boxes lie over them."""
    if len(images) == 1 or not all(one.plain for one in images):
        return [said for one in images for said in one.said(key)]
    captions = [one.caption or "" for one in images]
    given = {"captions": captions if any(captions) else None, "keep_resolution": True}
    pictures = [_channels_last(one) for one in images]
    return [Said("log_images", key, pictures, {name: one for name, one in given.items() if one is not None})]


def _channels_last(image: Image) -> Any:
    """Of one layout, whatever they were given in; PIL images and figures as they are."""
    if image.layout == "CHW":
        return image.data.permute(1, 2, 0)
    return image.data


def _opened(data: Any, mode: str | None) -> Any:
    if is_file(data):
        import PIL.Image

        with PIL.Image.open(data) as file:
            file.load()
            data = file.copy()
    if mode is None:
        return data
    if hasattr(data, "convert"):
        return data.convert(mode)
    once("Image(mode=%r) converts PIL images and files; an array is recorded as it is", mode)
    return data


def _corners(position: Mapping[str, Any], width: float, height: float) -> tuple[float, float, float, float]:
    if "middle" in position:
        (x, y), w, h = position["middle"], position["width"], position["height"]
        return (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height
    return position["minX"] * width, position["minY"] * height, position["maxX"] * width, position["maxY"] * height
