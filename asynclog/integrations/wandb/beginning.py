"""What ``init`` was asked for, and the environment: which run it is, where it lies, and where it goes on to.

Arguments count before ``settings``, those before the environment, as in W&B. What only W&B's server or its process could do is
said, once each.
"""

import os
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any, Final

from asynclog.integrations.wandb.said import UsageError, once
from asynclog.readers.run import read

_ALPHABET: Final = string.ascii_lowercase + string.digits
_FORBIDDEN: Final = "/\\#?%:"
_RESUMES: Final = (None, "allow", "never", "must", "auto")
_LAST: Final = "last-run.txt"

_SETTINGS: Final[Mapping[str, str]] = {
    "run_id": "id",
    "run_name": "name",
    "run_notes": "notes",
    "run_tags": "tags",
    "run_group": "group",
    "run_job_type": "job_type",
    "project": "project",
    "entity": "entity",
    "root_dir": "dir",
    "mode": "mode",
    "resume": "resume",
    "reinit": "reinit",
    "x_label": "label",
}
"""Fields of ``Settings`` that mean something here, by the names that ``init`` gives them."""
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "id": "WANDB_RUN_ID",
    "name": "WANDB_NAME",
    "notes": "WANDB_NOTES",
    "tags": "WANDB_TAGS",
    "group": "WANDB_RUN_GROUP",
    "job_type": "WANDB_JOB_TYPE",
    "project": "WANDB_PROJECT",
    "entity": "WANDB_ENTITY",
    "dir": "WANDB_DIR",
    "mode": "WANDB_MODE",
    "resume": "WANDB_RESUME",
}


class Settings:
    """As ``wandb.Settings``: any field is taken, those that mean something here count."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


@dataclass
class Beginning:
    """A run to be. resumed: it was there before."""

    id: str
    project: str = "uncategorized"
    entity: str = ""
    name: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()
    group: str = ""
    job_type: str = ""
    mode: str = "local"
    reinit: str = "default"
    resume: str | None = None
    label: str | None = None
    directory: Path = field(default_factory=Path)
    resumed: bool = False

    @property
    def about(self) -> dict[str, Any]:
        """What the run says of itself, beside its settings."""
        names = ("project", "entity", "name", "notes", "group", "job_type")
        given = {name: getattr(self, name) for name in names if getattr(self, name)}
        return {"id": self.id, **given, **({"tags": list(self.tags)} if self.tags else {})}


def beginning(given: Mapping[str, Any], settings: Any = None, environ: Mapping[str, str] = os.environ) -> Beginning:
    """given: arguments of ``init``, those that weren't left out. Raises UsageError."""
    asked = _from_environment(environ) | _from_settings(settings) | dict(given)
    resume = _resume(asked.get("resume"))
    mode = asked.get("mode") or "local"
    if mode not in ("local", "online", "offline", "disabled", "shared"):
        raise UsageError(f"mode is 'online', 'offline', 'disabled' or 'shared', not {mode!r}")
    project = str(asked.get("project") or "uncategorized")
    above = Path(asked.get("dir") or "runs") / _as_directory(project)
    identity = asked.get("id") or (_last(above) if resume == "auto" else None) or _new_id()
    if any(one in _FORBIDDEN for one in identity) or not identity.strip("."):
        raise UsageError(f"a run's id has none of {_FORBIDDEN}, and isn't dots alone: {identity!r}")
    name = asked.get("name")
    before = _there(above, identity)
    directory = above / (f"{_as_directory(name)}-{identity}" if name else identity)
    if before is None and (other := _id_in(directory)) is not None:
        raise UsageError(f"{str(directory)!r} is the run {other!r}: give this one, {identity!r}, another name")
    tags = asked.get("tags") or ()
    return Beginning(
        id=identity,
        project=project,
        entity=asked.get("entity") or "",
        name=name,
        notes=asked.get("notes"),
        tags=tuple(tags.split(",")) if isinstance(tags, str) else tuple(tags),
        group=asked.get("group") or "",
        job_type=asked.get("job_type") or "",
        mode=mode,
        reinit=_reinit(asked.get("reinit")),
        resume=resume,
        label=asked.get("label"),
        directory=before or directory,
        resumed=before is not None,
    )


def remember(run: Beginning) -> None:
    """For ``resume="auto"``: which run of the project was begun last, and not ended."""
    (run.directory.parent / _LAST).write_text(run.id)


def forget(run: Beginning) -> None:
    """It ended as it should."""
    if _last(run.directory.parent) == run.id:
        (run.directory.parent / _LAST).unlink(missing_ok=True)


def _there(above: Path, identity: str) -> Path | None:
    """Where a run of this id lies. "seed-1" says nothing: it is a run of that id, or one of id "1" with the name "seed"."""
    for one in (above / identity, *sorted(above.glob(f"*-{escape(identity)}"))):
        said = _id_in(one)
        if said == identity or (said is None and one.name == identity and (one / "run.json").exists()):
            return one
    return None


def _id_in(directory: Path) -> str | None:
    """The id that a run was begun with; None if there is no run, or it doesn't say (yet)."""
    if not (directory / "run.json").exists():
        return None
    about = read(directory).config.get("wandb")
    return about.get("id") if isinstance(about, Mapping) else None


def _last(above: Path) -> str | None:
    try:
        return (above / _LAST).read_text().strip() or None
    except FileNotFoundError:
        return None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    return {name: environ[variable] for name, variable in _ENVIRONMENT.items() if environ.get(variable)}


def _from_settings(settings: Any) -> dict[str, Any]:
    if settings is None:
        return {}
    if isinstance(settings, Mapping):
        fields: Mapping[str, Any] = settings
    elif hasattr(settings, "model_dump"):
        fields = settings.model_dump(exclude_unset=True)
    else:
        fields = vars(settings)
    for name in fields.keys() - _SETTINGS.keys():
        once("Settings(%s=…) has no meaning here", name)
    return {_SETTINGS[name]: one for name, one in fields.items() if name in _SETTINGS and one is not None}


def _resume(resume: Any) -> str | None:
    said = "auto" if resume is True else None if resume is False else resume
    if said not in _RESUMES:
        raise UsageError(f"resume is 'allow', 'never', 'must' or 'auto', not {resume!r}")
    return said


def _reinit(reinit: Any) -> str:
    said = {None: "default", True: "finish_previous", False: "return_previous"}.get(reinit, reinit)
    if said not in ("default", "return_previous", "finish_previous", "create_new"):
        raise UsageError(f"reinit is 'return_previous', 'finish_previous' or 'create_new', not {reinit!r}")
    return "return_previous" if said == "default" else str(said)


def _as_directory(name: str) -> str:
    kept = "".join(one if one.isalnum() or one in "._-" else "_" for one in name)
    return kept.lstrip(".") or "_"


def _new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def tags_of(tags: Sequence[str] | None) -> tuple[str, ...]:
    """As a tuple, each once."""
    return tuple(dict.fromkeys(tags or ()))
