"""prime-rl's ``Monitor``: awaited by its orchestrator and its trainer, whose loops it never holds up."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from asynclog.flow.route import Route
from asynclog.integrations.outbox import Said
from asynclog.integrations.phases import by_phase
from asynclog.integrations.prime_rl import episodes as verifiers
from asynclog.integrations.wandb.values import flat, plain, said
from asynclog.logger.multi import MultiLogger
from asynclog.sink import Sink
from asynclog.state import Phase, State

Kind = Literal["train", "eval"]
Subset = Literal["all", "effective"]
_PHASES: Final[dict[str, Phase]] = {"train": "train", "eval": "valid"}


class Monitor:
    """config: prime-rl's own, kept and not read. sinks: where the recording goes on to.

    Every metric, episode, annotation, plan and finished evaluation is recorded, at the step it is of, however late it comes.
    """

    run_id: str | None = None

    def __init__(self, config: Any = None, *, sinks: Iterable[Sink | Route] = ()) -> None:
        self.config, self.logger = config, logging.getLogger("asynclog")
        self._sinks = tuple(sinks)
        self._log: MultiLogger | None = None
        self._step = 0

    async def init(self, **kwargs: Any) -> None:
        """output_dir: the run lies in ``asynclog`` below it. config: the run's settings. producer: this process's name in the
        run, "orchestrator", say; processes with different names record one run. Environments' names are kept as settings."""
        given = {name: one for name, one in kwargs.items() if name in ("train_env_names", "eval_env_names") and one}
        config = kwargs.get("config", kwargs.get("run_config"))
        settings = given | (_settings(config) if config is not None else {})
        directory = Path(kwargs.get("output_dir") or ".") / "asynclog"
        self._log = MultiLogger(directory, sinks=self._sinks, config=settings or None, writer=kwargs.get("producer"))
        await self._log.__aenter__()
        if settings:
            # What is logged comes by entries of its own, which take nothing else along.
            await self._log.write(State(0, level="fit"))
        self.run_id = directory.parent.name or None

    @property
    def log_to(self) -> MultiLogger:
        """The MultiLogger that records. Raises RuntimeError before ``init``."""
        if self._log is None:
            raise RuntimeError("await init(output_dir=…) comes first")
        return self._log

    async def log(
        self,
        data: Any,
        step: int | None,
        kind: Kind = "train",
        subset: Subset = "effective",
    ) -> None:
        """Metrics, an episode, or episodes."""
        if isinstance(data, dict):
            await self.log_metrics(data, step=step)
            return
        if step is None:
            raise ValueError("episodes have a step")
        await self.log_episodes(data if isinstance(data, list) else [data], step=step, kind=kind, subset=subset)

    async def log_metrics(self, metrics: dict[str, Any], step: int | None) -> None:
        """Numbers, and what else W&B's facade takes. step=None: sampled by time; at the last step, and its time says when."""
        if step is not None:
            self._step = step
        values = {name: plain(value) for name, value in flat(metrics).items()}
        for phase, some in by_phase(values).items():
            await self._put(State(self._step, phase), [one for name, value in some.items() for one in said(name, value)])

    async def log_episodes(self, episodes: list[Any], step: int, kind: Kind, subset: Subset) -> None:
        """As rollouts, with their tokens. subset="effective", those of them that were trained on: rows of a table."""
        make = verifiers.cohort if subset == "effective" else verifiers.rollouts
        made = await asyncio.to_thread(make, episodes)
        made += [] if subset == "effective" else verifiers.failures(episodes)
        await self._put(State(step, _PHASES[kind], axes=verifiers.policy_axis(episodes)), made)

    async def log_annotations(self, updates: list[dict[str, Any]]) -> None:
        """What became known of traces after they were logged: rows of a table."""
        if updates:
            await self._put(State(self._step), [Said("log_table", "annotations", [dict(one) for one in updates])])

    async def log_live(self, events: list[dict[str, Any]]) -> None:
        """Nothing: an episode is recorded when it has ended."""

    async def log_eval_plan(self, env_name: str, step: int, expected: int, group_size: int) -> None:
        """How many episodes an evaluation will have."""
        row = [
            Said("log_scalar", f"eval_plan/{env_name}/{name}", one)
            for name, one in (("expected", expected), ("group_size", group_size))
        ]
        await self._put(State(step, "valid"), row)

    async def log_eval_epoch(self, env_name: str, step: int, episodes: list[Any]) -> None:
        """What an evaluation came to; its episodes were logged as they ended."""
        rewards = [float(trace.reward) for one in episodes for trace in one.traces if trace.reward is not None]
        row = [
            Said("log_scalar", f"eval/{env_name}/episodes", len(episodes)),
            Said("log_scalar", f"eval/{env_name}/errors", sum(not one.ok for one in episodes)),
        ]
        if rewards:
            row.append(Said("log_scalar", f"eval/{env_name}/reward/mean", sum(rewards) / len(rewards)))
            row.append(Said("log_histogram", f"eval/{env_name}/reward", rewards))
        await self._put(State(step, "valid"), row)

    async def finalize(self) -> None:
        """End the run, on a thread's time."""
        if self._log is not None:
            await self._log.aclose()

    async def _put(self, state: State, row: Sequence[Said]) -> None:
        if not row:
            return
        async with self.log_to.at(state) as entry:
            for one in row:
                getattr(entry, one.method)(one.key, one.value, **one.params)


def _settings(config: Any) -> dict[str, Any]:
    held = config.model_dump(mode="json") if hasattr(config, "model_dump") else config
    return dict(held) if isinstance(held, dict) else {"config": held}
