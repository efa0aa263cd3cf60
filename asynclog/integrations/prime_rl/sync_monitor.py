"""prime-rl's ``utils.monitor.base.Monitor``, the one that isn't awaited: metrics, samples, distributions, a final summary."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asynclog.flow.route import Route
from asynclog.integrations.outbox import Outbox, Said
from asynclog.integrations.phases import by_phase
from asynclog.integrations.prime_rl.episodes import rollout
from asynclog.integrations.prime_rl.monitor import _settings
from asynclog.integrations.wandb.values import flat, plain, said
from asynclog.logger.multi import MultiLogger
from asynclog.sink import Sink
from asynclog.state import State


class SyncMonitor:
    """output_dir: the run lies in ``asynclog`` below it. run_config: the run's settings. tokenizer and config: prime-rl's own,
    kept and not read: tokens are recorded as numbers beside the messages. Called on a loop, it never makes it wait."""

    def __init__(
        self,
        config: Any = None,
        output_dir: Path | None = None,
        tokenizer: Any = None,
        run_config: Any = None,
        *,
        sinks: Iterable[Sink | Route] = (),
    ) -> None:
        self.config, self.tokenizer = config, tokenizer
        self.output_dir = Path(output_dir or ".")
        settings = None if run_config is None else _settings(run_config)
        self.log_to = MultiLogger(self.output_dir / "asynclog", sinks=sinks, config=settings)
        self.log_to.__enter__()
        if settings is not None:
            # What is logged comes by entries of its own, which take nothing else along.
            self.log_to.write_blocking(State(0, level="fit"))
        self._outbox = Outbox(self.log_to)
        self._last: dict[str, Any] = {}
        self.run_id: str | None = self.output_dir.resolve().name

    @property
    def history(self) -> list[dict[str, Any]]:
        """The last metrics alone: the recording has all of them, and memory doesn't grow."""
        return [self._last] if self._last else []

    def log(self, metrics: dict[str, Any], step: int) -> None:
        """Numbers, and what else W&B's facade takes."""
        self._last = dict(metrics)
        values = {name: plain(value) for name, value in flat(metrics).items()}
        for phase, some in by_phase(values).items():
            self._outbox.put(State(step, phase), [one for name, value in some.items() for one in said(name, value)])

    def log_samples(self, rollouts: list[Any], step: int) -> None:
        """Each branch of each as a rollout."""
        self._samples("samples", rollouts, State(step))

    def log_eval_samples(self, rollouts: list[Any], env_name: str, step: int) -> None:
        """The same of an evaluation, which may be of an earlier step."""
        self._samples(f"eval/samples/{env_name}", rollouts, State(step, "valid"))

    def log_distributions(self, distributions: dict[str, list[float]], step: int) -> None:
        """A histogram each."""
        self._outbox.put(State(step), [Said("log_histogram", name, values) for name, values in distributions.items() if values])

    def save_final_summary(self, filename: str = "final_summary.json") -> None:
        """The last metrics, as a file beside the recording, and in it."""
        self._outbox.put(State(0, level="fit"), [Said("log_record", "summary", "final summary", {"fields": self._last})])
        (self.output_dir / filename).write_text(json.dumps(self._last, indent=2, default=str) + "\n")

    def close(self) -> None:
        """End the run; waits in this thread until all is delivered, or kept for later."""
        try:
            self._outbox.settle()
        finally:
            self.log_to.close()

    def _samples(self, key: str, rollouts: list[Any], state: State) -> None:
        row = [
            Said("log_rollout", key, rollout(one, one, branch)) for one in rollouts for branch in getattr(one, "branches", ())
        ]
        if row:
            self._outbox.put(state, row)
