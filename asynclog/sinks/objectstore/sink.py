"""The sink: artifacts to an object store, the newest of a name last.

A route that lags behind finds several versions of a name waiting; only the newest is uploaded, and the older ones count as
delivered with it. Returning from ``write`` means that the store has all of it.
"""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.sink import Batch, Place, RunInfo
from asynclog.sinks.objectstore.answers import open_store, translated, url_of
from asynclog.sinks.objectstore.download import download
from asynclog.sinks.objectstore.pointer import Keys
from asynclog.sinks.objectstore.uploads import Uploads
from asynclog.values.artifact import Artifact

_FIELDS: Final = ("run_name", "run_id", "writer", "rank")


class ObjectStore:
    """A run's artifacts in a store, each under its name. Needs the extra ``objectstore``.

    url: s3://bucket/path, gs://bucket/path, az://account/container/path, memory:///, file:///directory, or a directory's path.
    prefix: what names begin with there; {run_name}, {run_id}, {writer} and {rank} are filled in. versions: "newest", or "all",
    which keeps each version by its digest as well. parallel: requests at once. config: obstore's settings for the store, the
    credentials among them, if they aren't in the environment; client_options: of its HTTP client.

    overwrite=False leaves alone what another run has put there, atomically where the store has conditional puts. Values of
    other kinds don't come here. Raises InvalidConfiguration, on opening also for credentials that are missing or refused.
    """

    default_place: ClassVar[Place] = "process"
    default_kinds: ClassVar[frozenset[str]] = frozenset({"artifact"})

    def __init__(
        self,
        url: str | Path,
        *,
        prefix: str = "{run_name}",
        versions: Literal["newest", "all"] = "newest",
        parallel: int = 4,
        config: Mapping[str, Any] | None = None,
        client_options: Mapping[str, Any] | None = None,
    ) -> None:
        if versions not in ("newest", "all"):
            raise InvalidConfiguration(f"ObjectStore versions: expected 'newest' or 'all', got {versions!r}")
        if not isinstance(parallel, int) or parallel < 1:
            raise InvalidConfiguration(f"ObjectStore parallel: expected a whole number ≥ 1, got {parallel!r}")
        self.url, self.prefix, self.versions, self.parallel = url_of(url), prefix, versions, parallel
        self.config, self.client_options = dict(config or {}), dict(client_options or {})
        self._filled(RunInfo("", "", None, "", 0))
        self._uploads: Uploads | None = None

    async def open(self, run: RunInfo) -> None:
        import obstore

        if run.directory is None:
            raise InvalidConfiguration("ObjectStore: a run without a directory (run=None) keeps no artifacts to upload")
        store = open_store(self.url, self.config, self.client_options)
        keys = Keys(self._filled(run))
        about = json.dumps({"id": run.id, "name": run.name}).encode()
        # Credentials that may not write are heard of now, not with the first checkpoint.
        with translated(self.url, "asking whether it may be written", opening=True):
            await obstore.put_async(store, keys.probe, about)
        self._uploads = Uploads(store, self.url, keys, run.directory, run.id, self.parallel)

    async def write(self, batch: Batch, /) -> None:
        assert self._uploads is not None, "open() comes first"
        newest: dict[str, Artifact] = {}
        every: list[Artifact] = []
        for event in batch.others():
            value = event.value
            if not isinstance(value, Artifact):
                batch.reject(f"ObjectStore takes artifacts, not a {event.kind}")
            elif (fault := value.fault()) is not None:
                batch.reject(f"an artifact can't be of this name: expected {fault.expected}, got {fault.got}")
            else:
                every.append(value)
                known = newest.get(value.name)
                if known is None or known.version <= value.version:
                    newest[value.name] = value
        await self._deliver(batch, newest, every)

    async def aclose(self) -> None:
        self._uploads = None

    async def download(self, name: str, to: "str | Path", *, run: str = "", version: int | None = None) -> Path:
        """Copy an artifact back from the store, to where nothing is, or into a directory that is there; returns where.

        name: its whole name; a symlink is followed. run: the run's name, where the prefix has it. version: the newest, or one
        that versions="all" has kept. Raises ArtifactNotFound, DamagedArtifact if a digest differs, FileExistsError,
        SinkUnavailable, InvalidConfiguration.
        """
        store = open_store(self.url, self.config, self.client_options)
        keys = Keys(self._filled(RunInfo("", run, None, "", 0)))
        return await download(store, self.url, keys, name, Path(to), version)

    async def _deliver(self, batch: Batch, newest: Mapping[str, Artifact], every: list[Artifact]) -> None:
        """One name's failure is no other's: all are tried, then what is unavailable is tried again."""
        uploads = self._uploads
        assert uploads is not None
        jobs = [uploads.newest(one) for one in newest.values()]
        if self.versions == "all":
            jobs += [uploads.version(one) for one in {one.label: one for one in every if one.target is None}.values()]
        unavailable: list[SinkUnavailable] = []
        for outcome in await asyncio.gather(*map(_settled, jobs)):
            if isinstance(outcome, SinkRejected):
                batch.reject(str(outcome))
            elif isinstance(outcome, SinkUnavailable):
                unavailable.append(outcome)
        if unavailable:
            raise unavailable[0]

    def _filled(self, run: RunInfo) -> str:
        known = {"run_name": run.name, "run_id": run.id, "writer": run.writer, "rank": run.rank}
        try:
            return self.prefix.format(**known).strip("/")
        except (KeyError, IndexError, ValueError) as error:
            expected = ", ".join(f"{{{one}}}" for one in _FIELDS)
            raise InvalidConfiguration(f"ObjectStore prefix: expected fields among {expected}, got {self.prefix!r}") from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_uploads": None}

    def __repr__(self) -> str:
        return f"ObjectStore({self.url!r}, prefix={self.prefix!r})"


async def _settled(job: Coroutine[Any, Any, None]) -> SinkRejected | SinkUnavailable | None:
    try:
        await job
    except (SinkRejected, SinkUnavailable) as error:
        return error
    except BaseExceptionGroup as errors:
        # Of a directory's files what never can be had counts before what can't be had now.
        never, others = errors.split(SinkRejected)
        now, unknown = (None, None) if others is None else others.split(SinkUnavailable)
        if unknown is not None:
            raise
        found: SinkRejected | SinkUnavailable = _leaf(never or now)
        return found
    return None


def _leaf(errors: Any) -> Any:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return errors
