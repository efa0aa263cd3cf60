"""Beginning a run's recording: the logger with its sinks, and of a run that was there before, where it stood."""

from collections.abc import Mapping
from typing import Any, Literal

from asynclog.errors import RunNotFound
from asynclog.integrations.wandb.beginning import Beginning
from asynclog.integrations.wandb.running import Run
from asynclog.integrations.wandb.said import UsageError, once
from asynclog.logger.multi import MultiLogger
from asynclog.readers.run import read


def opened(about: Beginning, settings: dict[str, Any], may_change: bool, arguments: Mapping[str, Any]) -> Run:
    """A run whose logger is open. Raises UsageError if it had to be there and isn't, or may not be and is; what opening a
    MultiLogger raises."""
    if about.mode == "disabled":
        run = Run(about, None)
        run.config.update(settings)
        return run
    if about.resumed and about.resume is None and about.mode != "shared":
        once("run %r was there before: it goes on, and nothing of it is overwritten", about.id)
    if about.resumed and about.resume == "never":
        raise UsageError(f"run {about.id!r} is in {str(about.directory)!r} already, and resume='never'")
    if not about.resumed and about.resume == "must":
        raise UsageError(f"there is no run {about.id!r} in {str(about.directory.parent)!r}, and resume='must'")
    before, first = _before(about) if about.resumed and about.mode != "shared" else ({}, 0)
    log = MultiLogger(about.directory, **{"resume": _resume(about), "writer": about.label, **_with_sinks(about, arguments)})
    log.__enter__()
    run = Run(about, log, first)
    run.config._items.update(before)
    run._record_settings({"wandb": about.about})
    if settings:
        run.config.update(settings, allow_val_change=may_change or about.resumed)
    return run


def _resume(about: Beginning) -> Literal["allow", "must", "never"]:
    return about.resume if about.resume in ("must", "never") else "allow"  # type: ignore[return-value]


def _with_sinks(about: Beginning, arguments: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(arguments)
    if about.mode == "online":
        from asynclog.sinks import WandB

        board = WandB(about.project, entity=about.entity or None, group=about.group or None, tags=about.tags)
        given["sinks"] = [*given.get("sinks", ()), board]
    return given


def _before(about: Beginning) -> tuple[dict[str, Any], int]:
    """Settings of a run, and the step behind its last."""
    try:
        run = read(about.directory)
    except RunNotFound:
        return {}, 0
    last = max((int(one.step.max()) for one in run.all_series() if len(one.step)), default=-1)
    return {key: one for key, one in run.config.items() if key != "wandb"}, last + 1
