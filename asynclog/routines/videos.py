"""Films: each sample of a batch, as ``<key>/<phase>``, at ten frames a second."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger
from asynclog.routines.iteration import Iteration
from asynclog.routines.tracker import Aside, Tracker

FPS: Final = 10.0
_BATCH: Final = 5


class Videos(Tracker):
    """The value of a key is a batch (N, T, C, H, W), C of 1 or 3, floating point in [0, 1], or 0–255. fps: frames a second.
    one_per_batch: only the first sample."""

    kind: ClassVar[str] = "video"
    costly: ClassVar[bool] = True

    def __init__(self, keys: Sequence[str] = (), *, fps: float = FPS, one_per_batch: bool = False) -> None:
        super().__init__(keys)
        self._fps, self._one_per_batch = fps, one_per_batch

    def log_value(self, log: ChildLogger, key: str, value: Any, at: Iteration, aside: Aside) -> None:
        shape = tuple(getattr(value, "shape", ()))
        if len(shape) != _BATCH or shape[2] not in (1, 3):
            expected = "a batch (N, T, C, H, W), C of 1 or 3"
            raise InvalidValue(key=key, kind="video", expected=expected, got=described(value))
        for sample in range(min(shape[0], 1) if self._one_per_batch else shape[0]):
            log.log_video(f"{key}/{at.phase}", value[sample], fps=self._fps, layout="TCHW")
