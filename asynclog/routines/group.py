"""The ranks of torch.distributed, as far as meters need them: who is here, and what every one of them says.

The meters have a process group of their own, of gloo: collectives of one group must come in the same order on every rank, and
these come from another thread than the training's. torch itself is not imported.
"""

import sys
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _distributed() -> Any:
    """torch.distributed where it is initialised and has more than one rank, else None."""
    found = sys.modules.get("torch.distributed")
    if found is None or not found.is_available() or not found.is_initialized() or found.get_world_size() < 2:
        return None
    return found


def rank_here() -> int:
    """This process's rank in torch.distributed; 0 where there is none."""
    distributed = _distributed()
    return 0 if distributed is None else int(distributed.get_rank())


class Ranks:
    """All ranks. Its methods are collectives: every rank calls them, in the same order, and they wait for each other."""

    def __init__(self, distributed: Any, group: Any) -> None:
        self._distributed, self._group = distributed, group
        self.rank, self.size = int(distributed.get_rank(group)), int(distributed.get_world_size(group))

    def rows(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """Every rank's row, (ranks, n), of rows that are equally long."""
        import torch

        own = torch.from_numpy(row)
        said = [torch.empty_like(own) for _ in range(self.size)]
        self._distributed.all_gather(said, own, group=self._group)
        return np.stack([one.numpy() for one in said])

    def objects(self, own: Any) -> list[Any]:
        """Every rank's object, pickled on the way."""
        said: list[Any] = [None] * self.size
        self._distributed.all_gather_object(said, own, group=self._group)
        return said


def ranks(timeout: float, group: Any = None) -> Ranks | None:
    """The ranks that take part, None where torch.distributed isn't initialised or has one rank. group: theirs, of a backend
    that takes tensors of the CPU; None: all, in a group made here, by all ranks together. timeout: seconds that one waits for
    the others."""
    distributed = _distributed()
    if distributed is None:
        return None
    made = group if group is not None else distributed.new_group(backend="gloo", timeout=timedelta(seconds=timeout))
    return Ranks(distributed, made)


def is_over() -> bool:
    """Whether torch.distributed is not, or no longer, initialised."""
    return _distributed() is None
