"""What lies in space: meshes and clouds of points, each sample of a batch, as ``<key>/<phase>``."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger
from asynclog.routines.far import is_far
from asynclog.routines.iteration import Iteration
from asynclog.routines.tracker import Aside, Tracker

_CLOUD: Final = 2
_BATCH: Final = 3
_PLACE: Final = 3
_PLACE_AND_COLOUR: Final = 6


class Meshes(Tracker):
    """The value of a key is a mesh of trimesh or open3d or a list of them, or points (N, 3), (B, N, 3); with colours (N, 6),
    (B, N, 6): r, g, b in [0, 1], or up to 255. one_per_batch: only the first sample."""

    kind: ClassVar[str] = "mesh"
    costly: ClassVar[bool] = True

    def __init__(self, keys: Sequence[str] = (), *, one_per_batch: bool = False) -> None:
        super().__init__(keys)
        self._one_per_batch = one_per_batch

    def log_value(self, log: ChildLogger, key: str, value: Any, at: Iteration, aside: Aside) -> None:
        name, most = f"{key}/{at.phase}", 1 if self._one_per_batch else None
        clouds = _clouds(value)
        if clouds is None:
            self._log_meshes(log, name, list(value) if isinstance(value, list | tuple) else [value], most)
            return
        for cloud in clouds[:most]:
            places, colours = cloud[:, :_PLACE], cloud[:, _PLACE:]
            if cloud.shape[1] == _PLACE:
                log.log_point_cloud(name, cloud)
            else:
                log.log_point_cloud(name, places, colors=_colours_there(colours) if is_far(cloud) else _colours(colours))

    def _log_meshes(self, log: ChildLogger, name: str, meshes: list[Any], most: int | None) -> None:
        for mesh in meshes[:most]:
            if not hasattr(mesh, "vertices"):
                expected = "meshes of trimesh or open3d, or points (N, 3), (N, 6), (B, N, 3), (B, N, 6)"
                raise InvalidValue(key=name, kind="mesh", expected=expected, got=described(mesh))
            log.log_mesh(name, mesh)


def _clouds(value: Any) -> Any:
    """(B, N, 3) or (B, N, 6) of points; None for what has another shape, or none."""
    shape = tuple(getattr(value, "shape", ()))
    if len(shape) == _CLOUD and shape[1] in (_PLACE, _PLACE_AND_COLOUR):
        return value[None]
    return value if len(shape) == _BATCH and shape[2] in (_PLACE, _PLACE_AND_COLOUR) else None


def _colours(given: Any) -> NDArray[np.uint8]:
    colours = np.asarray(given.detach() if hasattr(given, "detach") else given, np.float64)
    scale = 1.0 if colours.size and np.nanmax(colours) > 1.0 else 255.0
    return np.clip(np.nan_to_num(colours) * scale, 0, 255).astype(np.uint8)


def _colours_there(given: Any) -> Any:
    """The same by the device, which need not be asked what it has come to."""
    colours = given.detach().float()
    if not colours.numel():
        return colours.byte()
    scale = 255.0 - 254.0 * (colours.max() > 1.0)
    return (colours.nan_to_num() * scale).clamp(0, 255).byte()
