"""What a configuration may say of the routines: what they track, in unifi3d's words. They are not made here: config and
routines are blind to each other."""

from typing import Any

from pydantic import AliasChoices, Field

from asynclog.config.part import Part, Seconds


class RoutinesSection(Part):
    """What the routines track: ``Routines(log, **al.config.parse(path).routines.arguments())``."""

    loggers: list[str] | None = Field(
        default=None, description="metric, image, hist, hparams, mesh, video, xls; those that are tracked"
    )
    tracked_variables: dict[str, list[str] | None] | None = Field(
        default=None, description="the keys of each kind; what the data say themselves"
    )
    # A quotation mark too many stands in each of unifi3d's files.
    gpu_summarize: bool = Field(
        default=True,
        validation_alias=AliasChoices("gpu_summarize", 'gpu_summarize"'),
        description="memory of the device at an epoch's end",
    )
    print_every_n_seconds: Seconds | None = Field(
        default=None, description="what iterations had, on the console; 0: not at all"
    )
    across_ranks: bool = Field(default=True, description="epochs' means are those of all ranks")
    viz_one_per_batch: bool = Field(default=False, description="of pictures, films and meshes only a batch's first")

    def consoles(self) -> list[dict[str, Any]]:
        """Sinks that show what the routines record: iterations at that interval, an epoch's end whenever it comes."""
        if not self.print_every_n_seconds:
            return []
        iterations: dict[str, Any] = {"limit": self.print_every_n_seconds, "namespaces": ["Metric-BatchWise"]}
        epochs: dict[str, Any] = {"namespaces": ["Metric-EpochWise", "Device-Memory"], "kinds": ["scalar"]}
        named = {"console": iterations, "console-epochs": epochs}
        return [{"use": "console", "route": {"name": name, **policy}} for name, policy in named.items()]

    def arguments(self) -> dict[str, Any]:
        """Those of asynclog.routines.Routines."""
        tracked = self.tracked_variables
        return {
            "loggers": None if self.loggers is None else list(self.loggers),
            "tracked_variables": None if tracked is None else {kind: list(keys or ()) for kind, keys in tracked.items()},
            "device_memory": self.gpu_summarize,
            "across_ranks": self.across_ranks,
            "viz_one_per_batch": self.viz_one_per_batch,
        }
