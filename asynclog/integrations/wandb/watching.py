"""``watch``: histograms of gradients and parameters of a torch module, every so many batches, with the next row of ``log``.

A gradient is copied where it lies, so that a GPU isn't waited for; it is counted by the recorder.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from asynclog.integrations.wandb.media import Histogram
from asynclog.integrations.wandb.said import once


class Watching:
    """hold: keeps values for the next row of ``log``."""

    def __init__(self, hold: Callable[[dict[str, Any]], None]) -> None:
        self._hold = hold
        self._hooks: list[tuple[Any, Any]] = []

    def watch(self, models: Any, log: Literal["gradients", "parameters", "all"] | None, every: int, idx: int | None) -> None:
        """models: a torch module or several. idx: the number of the first one, in the names. Raises ValueError."""
        if log not in ("gradients", "parameters", "all", None):
            raise ValueError(f"log is 'gradients', 'parameters', 'all' or None, not {log!r}")
        several = models if isinstance(models, Sequence) else (models,)
        watched = {id(model) for model, _ in self._hooks}
        first = idx if idx is not None else len(watched)
        for number, model in enumerate(several, first):
            if id(model) in watched:
                raise ValueError("You can only call `wandb.watch` once per model. Unwatch it first.")
            prefix = f"graph_{number}" if number else ""
            if log in ("gradients", "all"):
                self._watch_gradients(model, prefix, every)
            if log in ("parameters", "all"):
                self._watch_parameters(model, prefix, every)

    def unwatch(self, models: Any = None) -> None:
        """All, if none are named."""
        named = None if models is None else {id(one) for one in (models if isinstance(models, Sequence) else (models,))}
        for model, hook in self._hooks:
            if named is None or id(model) in named:
                hook.remove()
        self._hooks = [one for one in self._hooks if named is not None and id(one[0]) not in named]

    def _watch_gradients(self, model: Any, prefix: str, every: int) -> None:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                key = f"gradients/{prefix}{name}"
                self._hooks.append((model, parameter.register_hook(self._counting(key, every))))

    def _counting(self, key: str, every: int) -> Callable[[Any], None]:
        seen = 0

        def hook(gradient: Any) -> None:
            nonlocal seen
            seen += 1
            if seen % every == 0:
                if gradient.is_sparse:
                    once("watch: the gradient %r is sparse; its values are counted without the zeros", key)
                    gradient = gradient.coalesce().values()
                self._hold({key: Histogram(gradient.detach().clone())})

        return hook

    def _watch_parameters(self, model: Any, prefix: str, every: int) -> None:
        seen = 0

        def hook(module: Any, given: Any, result: Any) -> None:
            nonlocal seen
            seen += 1
            if seen % every == 0:
                held = {f"parameters/{prefix}{name}": one.detach().clone() for name, one in module.named_parameters()}
                self._hold({key: Histogram(one) for key, one in held.items()})

        self._hooks.append((model, model.register_forward_hook(hook)))
