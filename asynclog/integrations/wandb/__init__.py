"""W&B's interface, recorded by asynclog: ``import asynclog.integrations.wandb as wandb``, and the program stays as it is.

What a program says is recorded in ``runs/<project>/<id>``. ``mode="online"`` (or WANDB_MODE) has a W&B sink take it on, in a
process of its own; ``configure`` names other sinks. Rows with late and decreasing steps are recorded like any other.
"""

from collections.abc import Sequence
from os import PathLike, fspath
from types import EllipsisType
from typing import Any, Final, Literal

from asynclog.integrations.wandb.artifact import Artifact as Artifact
from asynclog.integrations.wandb.beginning import Beginning, beginning, remember
from asynclog.integrations.wandb.beginning import Settings as Settings
from asynclog.integrations.wandb.configuration import Config as Config
from asynclog.integrations.wandb.configuration import settings_of
from asynclog.integrations.wandb.media import Audio as Audio
from asynclog.integrations.wandb.media import Histogram as Histogram
from asynclog.integrations.wandb.media import Html as Html
from asynclog.integrations.wandb.media import Object3D as Object3D
from asynclog.integrations.wandb.media import Video as Video
from asynclog.integrations.wandb.opening import opened
from asynclog.integrations.wandb.picture import Image as Image
from asynclog.integrations.wandb.running import AlertLevel as AlertLevel
from asynclog.integrations.wandb.running import Run as Run
from asynclog.integrations.wandb.said import CommError as CommError
from asynclog.integrations.wandb.said import Error as Error
from asynclog.integrations.wandb.said import UsageError as UsageError
from asynclog.integrations.wandb.said import once
from asynclog.integrations.wandb.table import Table as Table

_live: Final[list[Run]] = []
"""Runs that aren't finished, the oldest first; ``run`` is that of the last ``init`` without reinit="create_new"."""
_globals: Final[dict[str, Run]] = {}
_logger_arguments: Final[dict[str, Any]] = {}
UNSET: Final[EllipsisType] = ...


def configure(**arguments: Any) -> None:
    """How later runs are recorded: arguments of ``MultiLogger`` other than run, config and resume, such as ``sinks`` and
    ``limit``. Without any: back to its defaults."""
    _logger_arguments.clear()
    _logger_arguments.update(arguments)


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: str | PathLike[str] | None = None,
    id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: dict[str, Any] | str | None = None,
    config_exclude_keys: list[str] | None = None,
    config_include_keys: list[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: Literal["online", "offline", "disabled", "shared"] | None = None,
    force: bool | None = None,
    reinit: bool | Literal["default", "return_previous", "finish_previous", "create_new"] | None = None,
    resume: bool | Literal["allow", "never", "must", "auto"] | None = None,
    resume_from: str | None = None,
    fork_from: str | None = None,
    save_code: bool | None = None,
    tensorboard: bool | None = None,
    sync_tensorboard: bool | None = None,
    monitor_gym: bool | None = None,
    settings: Any = None,
    anonymous: Any = UNSET,
) -> Run:
    """Begin a run, or return the one that goes on.

    dir: where runs lie; "runs". mode: "online" delivers to W&B as well; "disabled" keeps nothing; "shared" is for several
    processes with one ``id``, each with a name of its own as ``Settings(x_label=…)``. resume: with ``id``, "must" or "allow" an
    existing run, or "never"; "auto" the project's last that wasn't finished. force, resume_from, fork_from, save_code,
    tensorboard, sync_tensorboard, monitor_gym and anonymous have no meaning here, which is said. Raises UsageError, and what
    opening a MultiLogger does.
    """
    for argument, value in (
        ("force", force),
        ("resume_from", resume_from),
        ("fork_from", fork_from),
        ("save_code", save_code),
        ("tensorboard", tensorboard),
        ("sync_tensorboard", sync_tensorboard),
        ("monitor_gym", monitor_gym),
        ("anonymous", None if anonymous is UNSET else anonymous),
    ):
        if value is not None:
            once("init(%s=…) has no meaning here", argument)
    where = None if dir is None else fspath(dir)
    given: dict[str, Any] = {"entity": entity, "project": project, "dir": where, "id": id, "name": name, "notes": notes}
    given |= {"tags": tags, "group": group, "job_type": job_type, "mode": mode, "reinit": reinit, "resume": resume}
    about = beginning({key: one for key, one in given.items() if one is not None}, settings)
    _live[:] = [one for one in _live if not one._finished]
    if _live and about.reinit == "return_previous":
        return _live[-1]
    if about.reinit == "finish_previous":
        _finish_all(None)
    return _begun(about, settings_of(config, config_exclude_keys, config_include_keys), bool(allow_val_change))


def _begun(about: Beginning, settings: dict[str, Any], may_change: bool) -> Run:
    begun = opened(about, settings, may_change, _logger_arguments)
    _live.append(begun)
    if about.reinit != "create_new":
        _globals["run"] = begun
    if not begun.disabled:
        remember(about)
    return begun


def finish(exit_code: int | None = None) -> None:
    """End the run."""
    running = _running()
    if running is not None:
        running.finish(exit_code)


join = finish


def setup(settings: Any = None) -> None:
    """Nothing: a run begins with ``init``."""


def teardown(exit_code: int | None = None) -> None:
    """End every run."""
    _finish_all(exit_code)


def _finish_all(exit_code: int | None) -> None:
    while _live:
        _live.pop().finish(exit_code)


def login(*args: Any, **kwargs: Any) -> bool:
    """True. A W&B sink finds its key by itself."""
    return True


def require(*args: Any, **kwargs: Any) -> None:
    """Nothing."""


def _running() -> Run | None:
    found = _globals.get("run")
    return None if found is None or found._finished else found


class _BeforeInit:
    """``config`` and ``summary`` of no run."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def _refuse(self, *_: Any) -> Any:
        raise Error(f"You must call wandb.init() before wandb.{self._name}")

    __getitem__ = __setitem__ = __setattr__ = __contains__ = __iter__ = _refuse

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):
            raise AttributeError(key)
        self._refuse()


def _of_the_run(name: str) -> Any:
    running = _running()
    if name == "run":
        return running
    if running is not None:
        return getattr(running, name)
    if name in ("config", "summary"):
        return _BeforeInit(name)

    def before_init(*args: Any, **kwargs: Any) -> Any:
        raise Error(f"You must call wandb.init() before wandb.{name}()")

    return before_init


_OF_THE_RUN: Final = (
    *("run", "config", "summary", "log", "define_metric", "watch", "unwatch", "save", "alert", "log_artifact", "log_model"),
)


def __getattr__(name: str) -> Any:
    if name in _OF_THE_RUN:
        return _of_the_run(name)
    raise AttributeError(
        f"asynclog.integrations.wandb has no {name!r}: it records runs, and has no part in W&B's server or apps"
    )
