"""For Transformers' ``Trainer``: ``Trainer(…, callbacks=[AsynclogCallback("runs/bert")])``.

settings    TrainingArguments, the model's configuration under "model", a search's parameters under "trial"
step        state.global_step
epoch       its whole part goes to the State; with its fraction it is the axis "epoch"
phase       by the metric's name: eval_loss is of phase valid, test_loss of test; the name stays as it was written
ranks       the world's process zero records
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from transformers.trainer_callback import TrainerCallback

from asynclog.integrations.holding import Given, Holding, Superseded
from asynclog.logger.multi import MultiLogger
from asynclog.state import Phase, State


class AsynclogCallback(TrainerCallback):  # type: ignore[misc] # has no types here
    """Records what a ``Trainer`` logs, evaluates and predicts.

    run: the run's directory, a MultiLogger that stays yours to open and to end, or a callable that makes one for each
    training. Further arguments are those of MultiLogger, for a run's directory. Raises InvalidConfiguration.

    A run ends with ``train``, or with an ``evaluate`` or ``predict`` outside of it; the next one goes on with it. The Trainer
    tells nobody of an exception: under ``with AsynclogCallback(…) as callback`` it is the run's end; else the program's end is.
    Each trial of a hyperparameter search is a run below the directory, named as the search names it, or ``trial-<n>``; with a
    MultiLogger it is a namespace.
    """

    def __init__(self, run: Given, **given: Any) -> None:
        self._base, self._given = run, given
        self._holding = Holding(run, given)
        self._training = False
        self._trial = ""

    @property
    def log(self) -> MultiLogger:
        """The MultiLogger, open."""
        return self._holding.log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._training = False
        self._holding.end(error)

    # -- a training -------------------------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        if self._training:
            self._holding.end(Superseded())
        self._training = True
        if state.is_hyper_param_search:
            self._begin_trial(state)
        self._holding.settings(settings_of(args, state, model), namespace=self._trial or None)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training = False
        self._holding.end()

    def _begin_trial(self, state: Any) -> None:
        if isinstance(self._base, MultiLogger) or callable(self._base):
            self._trial = state.trial_name or _counted(self._trial)
            return
        base = Path(self._base)
        name = state.trial_name or "trial-0"
        while state.trial_name is None and (base / name).exists():
            name = _counted(name)
        self._holding = Holding(base / name, self._given)

    # -- what it says -----------------------------------------------------------------------------------------------

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if state.is_world_process_zero and logs:
            self._write(logs, state, "train")

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not self._training:
            self._holding.end()

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        if state.is_world_process_zero and metrics:
            self._write(metrics, state, "test")
        if not self._training:
            self._holding.end()

    def _write(self, metrics: Any, state: Any, phase: Phase) -> None:
        metrics = dict(metrics)
        epoch = metrics.pop("epoch", state.epoch)
        at = State(state.global_step, phase, int(epoch or 0), axes=None if epoch is None else {"epoch": epoch})
        self._holding.write(metrics, at, namespace=self._trial or None)


def settings_of(args: Any, state: Any, model: Any) -> dict[str, Any]:
    """The settings of a training: its arguments, with those of the model and of the trial beside them."""
    found = dict(args.to_dict())
    config = getattr(model, "config", None)
    if config is not None:
        found["model"] = dict(config) if isinstance(config, dict) else config.to_dict()
    if getattr(model, "peft_config", None) is not None:
        found["peft"] = {name: one.to_dict() for name, one in model.peft_config.items()}
    if model is not None:
        found["num_parameters"] = sum(one.numel() for one in model.parameters())
    if state.trial_params is not None:
        found["trial"] = dict(state.trial_params)
    return found


def _counted(name: str) -> str:
    """The name of the trial after this one: trial-3 after trial-2."""
    last = name.rpartition("-")[2]
    return f"trial-{int(last) + 1}" if last.isdigit() else "trial-0"
