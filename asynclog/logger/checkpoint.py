"""Checkpoints: what a logger gives for one, and how it goes on from one. A part of MultiLogger."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from asynclog.logger.core import Core
    from asynclog.logger.lifecycle import Lifecycle


class Checkpoints:
    """See MultiLogger."""

    _core: "Core"
    _lifecycle: "Lifecycle"

    def _open_here(self) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the logger: its run, how far each phase has come, and where rate limits stand. Plain
        values, for ``torch.save``, pickle or JSON. A logger that is new opens first.
        """
        from asynclog.logger.state_dict import state_dict

        if self._core.state == "new":
            self._open_here()
        return state_dict(self._core, self._lifecycle.run)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint, before the logger opens: in its run alone, back to its step (unless ``rewind_to`` says
        another), and with its limits, so that what was not due then is not suddenly due.

        Raises InvalidConfiguration for what is no state dict, for one of another format, and on a logger that is open; opening
        raises RunError in another run.
        """
        from asynclog.logger.state_dict import checked_state

        self._lifecycle.resuming.go_on_from(checked_state(state))

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], run: "str | os.PathLike[str] | None" = None, **arguments: Any) -> Self:
        """The logger that goes on from a checkpoint: ``MultiLogger(run, resume="must", rewind_to=…)`` as the state dict has it.

        run: where the run's directory is now; None: where it was. arguments: as of MultiLogger; what is given here counts.
        Raises as ``load_state_dict``.
        """
        from asynclog.logger.state_dict import checked_state

        found = checked_state(state)
        there = found.path if run is None else run
        arguments = {"resume": "allow" if there is None else "must", "writer": found.own_writer(os.environ), **arguments}
        make: Callable[..., Self] = cls
        log = make(there, **arguments)
        log._lifecycle.resuming.go_on_from(found)
        return log
