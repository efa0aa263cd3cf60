"""Which run a logger opens, and where in it training goes on: behind all that is there, or back at a checkpoint."""

from collections.abc import Mapping
from pathlib import Path

from asynclog.engine.rundir import Claim, claim_epoch, open_run, segments
from asynclog.errors import InvalidConfiguration, RunError, RunNotFound
from asynclog.logger.core import Core
from asynclog.logger.ranks import ranks_here
from asynclog.logger.settings import plain_settings
from asynclog.logger.state_dict import Checkpoint
from asynclog.sink import RunInfo
from asynclog.state import State


class Resuming:
    """resume: "allow", "must" or "never". rewound_to: by phase the last step that holds, if anything is superseded."""

    def __init__(self, core: Core, resume: str, rewound_to: Mapping[str, int] | None) -> None:
        self._core, self._resume, self._rewound_to = core, resume, rewound_to
        self._checkpoint: Checkpoint | None = None

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Before it opens: training goes on from a checkpoint, in that run and at that step. Raises InvalidConfiguration."""
        if self._core.state != "new":
            raise InvalidConfiguration(
                "load_state_dict: this logger is open, and has begun its epoch; load the checkpoint first, then "
                "MultiLogger.from_state_dict(state, …)"
            )
        journaled = self._core.directory is not None and checkpoint.run_id is not None
        if journaled and self._rewound_to is None:
            self._rewound_to = checkpoint.rewind_to
        self._checkpoint = checkpoint

    def open_run(self) -> tuple[RunInfo, Claim | None]:
        """The run and this writer's epoch of it. Raises RunUnwritable, RunInUse, RunNotFound, RunError."""
        core = self._core
        directory, rank, config = core.directory, ranks_here().rank, plain_settings(core.config or {})
        if directory is None:
            return RunInfo("", "", None, core.writer, 0, rank, config), None
        if core.journal is None:
            raise InvalidConfiguration("a run directory without a journal; run=None is a logger that keeps nothing on disk")
        self._check_existence(directory)
        description = open_run(directory)
        wanted = None if self._checkpoint is None else self._checkpoint.run_id
        if wanted not in (None, description["id"]):
            raise RunError(
                f"run {str(directory)!r} is another run (id {description['id']}) than the state dict is of (id {wanted}); "
                "pass that run's directory"
            )
        claim = claim_epoch(directory, core.writer)
        # Of a writer's first epoch there is nothing to go back in.
        back = self._rewound_to if claim.epoch else None
        names = description["id"], description["name"]
        return RunInfo(*names, directory.resolve(), core.writer, claim.epoch, rank, config, rewound_to=back), claim

    def _check_existence(self, directory: Path) -> None:
        # A rank that joins at a checkpoint was never here; the run's id says whether it is the one.
        here_before = self._existed(directory) if self._checkpoint is None else (directory / "run.json").exists()
        if self._resume == "must" and not here_before:
            raise RunNotFound(f"run {str(directory)!r}: resume='must', and nothing was recorded there")
        if self._resume == "never" and here_before:
            raise RunError(f"run {str(directory)!r} exists already, and resume='never'")

    def _existed(self, directory: Path) -> bool:
        """Of several ranks one comes first and makes the run for all: what counts is whether this one has been here before, or
        anybody who was no rank."""
        if ranks_here().world_size == 1:
            return (directory / "run.json").exists()
        streams = directory / "streams"
        return any(segments(streams / one) for one in (self._core.writer, "main"))

    def restore(self) -> None:
        """Once the clock goes: what the checkpoint says of limits and tables."""
        checkpoint, core = self._checkpoint, self._core
        if checkpoint is not None:
            # A loop that keeps its own clock goes on with that, too.
            later_ns = 0 if checkpoint.elapsed else core.now() - checkpoint.time_ns
            core.board.go_on_from(checkpoint.limits, checkpoint.journal, later_ns)
            core.table_columns.update(checkpoint.tables)

    def tell(self, run: RunInfo) -> None:
        """The first record of an epoch that goes back to a checkpoint: every destination gets it, whatever its limit."""
        core, due = self._core, (1 << len(self._core.routes)) - 1
        with core.producer.lock:
            for phase, step in (run.rewound_to or {}).items():
                state = State(step, phase)  # type: ignore[arg-type]
                told = [("asynclog", {"rewound_to": step})]
                core.numbers.write(told, step, state._context, core.next_time(), due, ("rewind",))
