"""unifi3d's configuration of a logger, as its YAML files have it: what it says of a MultiLogger, and what of the routines.

logint                  the backend; a run of its own lies in ``{root_dir}/log/{logint}``
name                    the experiment's: Aim's, MLflow's and Comet's experiment, W&B's and Neptune's project
loggers                 which kinds of routines there are: metric, image, hist, hparams, mesh, video, xls
tracked_variables       {kind: [key, …]}
print_every_n_seconds   what the console shows; 0: nothing
gpu_summarize           whether an epoch's end says how much memory of the device is in use
across_ranks            whether epochs' means are of all ranks; there only the main process logs, so they aren't
repo, api_key, workspace, run_name, tags, mode     of the backend
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError

from asynclog.config.complaints import complaints_of, refused
from asynclog.config.models import by_name
from asynclog.config.part import Seconds
from asynclog.config.source import Source
from asynclog.config.tracked import RoutinesSection


def _words(given: Any) -> Any:
    """A list of words, of which unifi3d's own files have an empty one for none."""
    return given or None if isinstance(given, list) else given


class LoggerConfig(RoutinesSection):
    """See the module. api_key is for the backend's own upload, and is recorded nowhere."""

    logint: Literal["aim", "comet", "mlflow", "neptune", "tensorboard", "wandb", "jsonlines", "csv", "parquet", "files"] = "aim"
    name: str = "default"
    root_dir: str = "root"
    loggers: list[str] | None = Field(default=["metric"])
    tracked_variables: dict[str, list[str] | None] | None = Field(default={})
    print_every_n_seconds: Seconds | None = 2.0
    across_ranks: bool = False
    repo: str = ""
    api_key: SecretStr | None = None
    workspace: Annotated[str | None, BeforeValidator(lambda given: None if given == "default" else given)] = None
    run_name: Annotated[str | None, BeforeValidator(_words)] = None
    tags: list[str] = Field(default=[])
    mode: Literal["online", "offline"] | None = None
    sinks: Any = Field(default=[])

    def settings(self) -> dict[str, Any]:
        """What asynclog.from_config takes."""
        sinks: list[Any] = [{"use": self.logint, **_BACKENDS[self.logint](self)}]
        sinks += self.consoles()
        run = Path(self.root_dir) / "log" / self.logint
        return {"run": _braced(run), "run_name": self.name, "sinks": [*sinks, *by_name(self.sinks)]}


def parsed(config: Any) -> LoggerConfig:
    """The configuration of one of unifi3d's Loggers: a mapping, OmegaConf, or the path of a YAML file. Raises
    InvalidConfiguration."""
    source = Source(config, {})
    try:
        return LoggerConfig.model_validate(source.settings)
    except ValidationError as error:
        raise refused(complaints_of(error, LoggerConfig), source.where) from error


def _braced(text: Any) -> str:
    """As it is: unifi3d has no placeholders."""
    return str(text).replace("{", "{{").replace("}", "}}")


def _given(**arguments: Any) -> dict[str, Any]:
    given = {name: one for name, one in arguments.items() if one}
    return {name: list(map(_braced, one)) if isinstance(one, list) else _braced(one) for name, one in given.items()}


def _of_neptune(config: LoggerConfig) -> dict[str, Any]:
    project = config.name if "/" in config.name else f"{config.workspace or 'workspace'}/{config.name}"
    return {"project": project, **_given(tags=config.tags)}


_BACKENDS: Final[Mapping[str, Callable[[LoggerConfig], dict[str, Any]]]] = {
    "aim": lambda one: _given(repo=one.repo or ".", experiment=one.name, name=one.run_name),
    "comet": lambda one: _given(project=one.name, workspace=one.workspace, tags=one.tags),
    "mlflow": lambda one: _given(experiment=one.name, name=one.run_name),
    "neptune": _of_neptune,
    "tensorboard": lambda one: {},
    "wandb": lambda one: _given(project=one.name, entity=one.workspace, tags=one.tags, mode=one.mode),
    "jsonlines": lambda one: {"path": "metrics.jsonl"},
    "csv": lambda one: {"path": "metrics.csv"},
    "parquet": lambda one: {},
    "files": lambda one: {},
}
