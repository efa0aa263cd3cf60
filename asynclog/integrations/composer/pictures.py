"""Images and their masks, in any of the forms that Composer's ``log_images`` takes, as ``log_image`` and ``log_images`` do."""

from collections.abc import Iterator, Mapping
from typing import Any

from asynclog.errors import InvalidValue

Picture = tuple[bool, Any, dict[str, Any]]


def pictures(images: Any, channels_last: bool, masks: Mapping[str, Any], labels: Mapping[int, str]) -> Iterator[Picture]:
    """(whether it is several, images, arguments), one by one if they have masks. Raises InvalidValue for masks that are not as
    many as the images."""
    ones = _listed(images, 4)
    layouts = ["HW" if len(one.shape) == 2 else "HWC" if channels_last else "CHW" for one in ones]
    if not masks:
        if len(ones) == 1:
            yield False, ones[0], {"layout": layouts[0]}
        elif len(set(layouts)) == 1:
            yield True, ones, {"layout": layouts[0]}
        else:
            yield from ((False, one, {"layout": layout}) for one, layout in zip(ones, layouts, strict=True))
        return
    over = {name: _listed(mask, 3) for name, mask in masks.items()}
    for name, mask in over.items():
        if len(mask) != len(ones):
            raise InvalidValue(kind="image", expected=f"a mask for each of {len(ones)} images", got=f"{len(mask)} of {name!r}")
    words = {name: dict(labels) for name in over} if labels else None
    for at, (one, layout) in enumerate(zip(ones, layouts, strict=True)):
        mine = {name: mask[at] for name, mask in over.items()}
        yield False, one, {"layout": layout, "masks": mine, "mask_labels": words}


def _listed(given: Any, dimensions: int) -> list[Any]:
    """Several arrays: of a sequence, or along the first axis of one that has so many dimensions."""
    if isinstance(given, list | tuple):
        return list(given)
    return list(given) if len(given.shape) == dimensions else [given]
