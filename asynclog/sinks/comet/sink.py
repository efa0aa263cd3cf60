"""The sink: every write appends to the archive, and the end of the run seals it."""

import secrets
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Final

from asynclog.errors import InvalidValue
from asynclog.sink import Batch, Event, Place, RunInfo
from asynclog.sinks.comet.archive import Archive, Message, unsealed_or_next
from asynclog.sinks.comet.messages import messages_of
from asynclog.sinks.placeless import reject_placeless, with_place
from asynclog.sinks.repeats import Repeats

_KEY_BYTES: Final = 16
_PLACELESS: Final = frozenset({"artifact"})


class Comet:
    """An experiment of Comet as an offline archive: ``comet upload RUN/sinks/comet/*.zip`` brings it there.

    project, workspace: where it will appear; None: where the account has its default. tags: words. directory: where the
    archive will lie; None: the sink's own directory in the run.

    The experiment's key is derived from the run's id and writer, so that each rank has one. A resumed run makes a further
    archive that goes on with the experiment; they are uploaded in order. Needs no network, no key, and not comet_ml itself,
    which uploads.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(
        self,
        project: str | None = None,
        *,
        workspace: str | None = None,
        tags: Iterable[str] = (),
        directory: str | Path | None = None,
    ) -> None:
        self.project, self.workspace, self.tags = project, workspace, tuple(tags)
        self.directory = None if directory is None else Path(directory)
        self._repeats = Repeats(None)
        self._archive: Archive | None = None
        self._name = self._key = ""
        self._place = Path()

    async def open(self, run: RunInfo) -> None:
        self._name, self._key = run.name, experiment_key(run)
        own = run.sink_directory("comet")
        self._place = own if self.directory is None else self.directory.expanduser()
        self._place.mkdir(parents=True, exist_ok=True)
        if run.directory is not None:
            given = own / f"{self._key}.given"
            given.mkdir(exist_ok=True)
            self._repeats = Repeats(given)

    async def write(self, batch: Batch, /) -> None:
        reject_placeless(batch, _PLACELESS, "Comet")
        for one in self._repeats.left_of(batch):
            messages: list[Message] = []
            for event in with_place(one.events, _PLACELESS):
                messages += self._messages(event, batch)
            if messages:
                self._begun().add(messages)

    async def flush(self) -> None:
        """Return when the archive's files are on the disk; they become a zip at the end."""
        if self._archive is not None:
            self._archive.flush()

    async def run_ended(self, status: str, error: str | None) -> None:
        if self._archive is None and self._repeats.ended:
            return
        self._begun().add([("log_other", {"key": "status", "value": status})])
        self._seal(None if status == "finished" else error or f"the run was {status}")
        self._repeats.end()

    async def aclose(self) -> None:
        self._seal(None)
        self._repeats.close()

    def _messages(self, event: Event, batch: Batch) -> list[Message]:
        try:
            return messages_of(event, self._begun().file)
        except InvalidValue as error:
            batch.reject(f"Comet can't show a value: {error}")
            return []

    def _begun(self) -> Archive:
        if self._archive is None:
            self._archive = unsealed_or_next(self._place, self._key)
            if self._archive.number == 0 and self._name:
                self._archive.add([("log_other", {"key": "Name", "value": self._name})])
        return self._archive

    def _seal(self, error: str | None) -> None:
        archive, self._archive = self._archive, None
        if archive is not None:
            archive.seal(project=self.project, workspace=self.workspace, tags=self.tags, error=error)


def experiment_key(run: RunInfo) -> str:
    """Comet's name for the run: 32 hexadecimal digits, the same for every delivery of one writer's run."""
    said = f"{run.id}/{run.writer}" if run.id else secrets.token_hex(_KEY_BYTES)
    return blake2b(said.encode(), digest_size=_KEY_BYTES).hexdigest()
