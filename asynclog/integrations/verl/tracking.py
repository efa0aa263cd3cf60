"""verl's ``Tracking``: the backends that a configuration names become sinks of one recording."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from asynclog.integrations.verl.backend import Backend
from asynclog.integrations.wandb.said import once
from asynclog.sink import Sink


def _sinks(project: str) -> Mapping[str, Callable[[], Sink]]:
    from asynclog import sinks

    return {
        "console": sinks.Console,
        "file": lambda: sinks.JSONLines("metrics.jsonl"),
        "tensorboard": sinks.TensorBoard,
        "wandb": lambda: sinks.WandB(project),
        "mlflow": sinks.MLflow,
    }


_NAME: Final = "asynclog"


class Tracking:
    """default_backend: verl's names. "console", "file", "tensorboard", "wandb" and "mlflow" are sinks here, each served by
    itself, so that one that is slow or away costs the training nothing; "asynclog" is the recording alone; of the others it is
    said that they get nothing."""

    supported_backend: Final = (
        *("asynclog", "wandb", "mlflow", "swanlab", "vemlp_wandb", "tensorboard", "console", "clearml", "trackio", "file"),
        "rl_insight",
    )

    def __init__(
        self,
        project_name: str,
        experiment_name: str,
        default_backend: str | list[str] = "console",
        config: Any = None,
    ) -> None:
        named = [default_backend] if isinstance(default_backend, str) else list(default_backend)
        made = _sinks(project_name)
        for one in named:
            assert one in self.supported_backend or one == "tracking", f"{one} is not supported"
            if one not in made and one not in (_NAME, "tracking"):
                once("verl's backend %r gets nothing: `asynclog sync` takes the recording wherever there is a sink", one)
        asked = ["wandb" if one == "tracking" else one for one in named]
        backend = Backend(project_name, experiment_name, config, sinks=[made[one]() for one in asked if one in made])
        self._backend = backend
        # verl's loggers of samples look up names in it.
        self.logger: dict[str, Any] = {_NAME: backend}
        self._names = {*asked, _NAME}

    def log(self, data: dict[str, Any], step: int, backend: Any = None) -> None:
        """Record a step's metrics. backend: names; if none of them is one of this tracker's, nothing is recorded."""
        if backend is None or any(one in backend for one in self._names):
            self._backend.log(data=data, step=step)

    def finish(self, exit_code: int = 0) -> None:
        """End the run, once."""
        if hasattr(self, "_backend"):
            self._backend.finish(exit_code)

    def __del__(self) -> None:
        self.finish()
