"""Hyperparameters: the settings of a run, how many parameters its model has, and which job of the cluster it is."""

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from asynclog.errors import InvalidValue
from asynclog.logger.collect import Collector
from asynclog.logger.naming import described
from asynclog.logger.settings import plain_settings

JOB: Final = "slurm_job_id"
PARAMETERS: Final = "model/params"


def hyperparameters(params: Any, model: Any = None, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """params as a mapping, with what there is to be said of ``model`` (of torch), and the SLURM job's id. params: a mapping, an
    argparse Namespace, a dataclass, OmegaConf (resolved), or an object with attributes. Raises InvalidValue."""
    found = {} if params is None else plain_settings(params)
    if not isinstance(found, dict):
        expected = "a mapping, a Namespace, a dataclass, or OmegaConf"
        raise InvalidValue(kind="hyperparameters", expected=expected, got=described(params))
    if model is not None:
        found |= counted(model)
    if environ.get("SLURM_JOB_ID"):
        found[JOB] = environ["SLURM_JOB_ID"]
    return found


def counted(model: Any) -> dict[str, int]:
    """How many parameters a model of torch has: in all, trained, and not. A parameter that isn't there yet counts as none."""
    sizes = [(_size(one), bool(one.requires_grad)) for one in model.parameters()]
    total, trained = sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)
    return {
        f"{PARAMETERS}/total": total,
        f"{PARAMETERS}/trainable": trained,
        f"{PARAMETERS}/non_trainable": total - trained,
    }


def _size(parameter: Any) -> int:
    torch: Any = sys.modules.get("torch")
    lazy = torch is not None and isinstance(parameter, torch.nn.parameter.UninitializedParameter)
    return 0 if lazy else int(parameter.numel())


def log_metrics(log: Collector, metrics: Any) -> None:
    """What hyperparameters are judged by: a mapping of names to numbers, or a number, which is ``hp_metric``."""
    for name, value in (metrics if isinstance(metrics, Mapping) else {"hp_metric": metrics}).items():
        log.log_scalar(name, value)
