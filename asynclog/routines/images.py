"""Pictures: each sample of a batch, each of its views, as ``<key>/<phase>``."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger
from asynclog.routines.far import is_far
from asynclog.routines.iteration import Iteration
from asynclog.routines.magma import coloured
from asynclog.routines.tracker import Aside, Tracker

_BATCH: Final = 4
_COLOURS: Final = 3


class Images(Tracker):
    """The value of a key is a batch (N, C, H, W), or a list of such, a view each: floating point in [0, 1], or 0–255.

    One channel is shown in the colours of magma; of more than three the first three. They are recorded in full, a caption says
    which sample and view it is. one_per_batch: only the first sample.
    """

    kind: ClassVar[str] = "image"
    costly: ClassVar[bool] = True

    def __init__(self, keys: Sequence[str] = (), *, one_per_batch: bool = False) -> None:
        super().__init__(keys)
        self._one_per_batch = one_per_batch

    def log_value(self, log: ChildLogger, key: str, value: Any, at: Iteration, aside: Aside) -> None:
        views = value if isinstance(value, list | tuple) else [value]
        samples = len(views[0]) if views else 0
        for view in views:
            _checked(key, view, samples)
        for sample in range(min(samples, 1) if self._one_per_batch else samples):
            for number, view in enumerate(views):
                caption = at.sample(sample) if len(views) == 1 else f"{at.sample(sample)} view {number}"
                picture = _picture(view[sample], aside)
                log.log_image(f"{key}/{at.phase}", picture, layout="CHW", caption=caption, keep_resolution=True)


def _checked(key: str, view: Any, samples: int) -> None:
    shape = tuple(getattr(view, "shape", ()))
    if len(shape) != _BATCH or (shape[1] not in (1, 3) and shape[1] < _COLOURS) or shape[0] != samples:
        expected = f"a batch ({samples}, C, H, W), C of 1 or at least 3, or a list of such, a view each"
        raise InvalidValue(key=key, kind="image", expected=expected, got=described(view))


def _picture(one: Any, aside: Aside) -> Any:
    if one.shape[0] != 1:
        return one[:_COLOURS]
    # A device does it in no time; here it takes long enough to be felt by a loop.
    return coloured(one[0]) if is_far(one) else aside(lambda: coloured(one[0]))
