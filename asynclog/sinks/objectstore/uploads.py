"""One artifact's way into a store: what is there, a claim where nothing may be replaced, its bytes, then the pointer to them.

At most one upload a name is in flight. A version that became old meanwhile is followed by the newest, whose pointer is then the
last. Whatever ends an upload, the next one finds out from the pointer what is still to be done.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from asynclog.artifacts.layout import Listed
from asynclog.artifacts.stored import StoredArtifact, one_artifact
from asynclog.encoding.artifact import artifact_line, readable_bytes
from asynclog.errors import ArtifactNotFound, DamagedArtifact, SinkRejected
from asynclog.sinks.objectstore.answers import translated
from asynclog.sinks.objectstore.pointer import Keys, Pointer
from asynclog.values.artifact import Artifact

_log: Final = logging.getLogger("asynclog.sinks.objectstore")
PART_BYTES: Final = 8 << 20
"""Of an upload in parts; S3 takes 10,000 of 5 MiB at least. Larger files get larger parts."""
_MOST_PARTS: Final = 9_000


class Uploads:
    """store: obstore's. run: the id of the run whose directory it is. parallel: requests that are made at once, of all uploads
    together; parts of one file: as many."""

    def __init__(self, store: Any, url: str, keys: Keys, directory: Path, run: str, parallel: int) -> None:
        self._store, self._url, self._keys = store, url, keys
        self._directory, self._run, self._parallel = directory, run, parallel
        self._turns = asyncio.Semaphore(parallel)
        self._there: dict[str, Pointer] = {}
        self.sent_bytes = 0

    async def newest(self, said: Artifact) -> None:
        """Have the store's name be the run's newest version, which is ``said`` or one that came after it. Raises SinkRejected,
        SinkUnavailable."""
        there = self._there.get(said.name)
        if there is not None and there.complete and there.value.version >= said.version:
            return
        overwrite = said.overwrite
        while True:
            stored = await self._stored(said.name, None)
            overwrite = overwrite or stored.value.overwrite
            await self._upload(stored, overwrite=overwrite)
            # One that was logged meanwhile may have been uploaded by another writer's sink, and replaced by this one.
            if (await self._stored(said.name, None)).version == stored.version:
                return

    async def version(self, said: Artifact) -> None:
        """Keep this very version, by its digest. Raises SinkRejected, SinkUnavailable."""
        stored = await self._stored(said.name, said.version)
        pointer = await asyncio.to_thread(self._pointer_to, stored)
        key = self._keys.version(said.name, said.version)
        if await self._read(key) is not None:
            return
        contents = {one.digest: one for one in self._keys.objects(pointer).values() if one.digest}
        async with asyncio.TaskGroup() as group:
            for one in contents.values():
                group.create_task(self._put_content(one, stored))
        await self._put(key, pointer.packed())

    # -- a name -----------------------------------------------------------------------------------------------------

    async def _upload(self, stored: StoredArtifact, *, overwrite: bool) -> None:
        began, sent = monotonic(), self.sent_bytes
        pointer = await asyncio.to_thread(self._pointer_to, stored)
        key = self._keys.pointer(stored.name)
        there = await self._read(key)
        if there is not None and there.same(pointer) and there.complete and there.value.version >= pointer.value.version:
            self._there[stored.name] = there
            return
        ours = there is not None and there.same(pointer)
        if not overwrite and not ours:
            await self._claim(key, pointer, there)
        known: Mapping[str, Listed] = {}
        if there is not None and there.complete and there.files and pointer.files:
            known = self._keys.objects(there)
            there = await self._opened(key, pointer, there)
        await self._put_objects(pointer, known, stored)
        await self._put(key, replace(pointer, complete=True).packed())
        await self._remove_old(pointer, there)
        self._there[stored.name] = replace(pointer, complete=True)
        took = monotonic() - began
        rate = readable_bytes((self.sent_bytes - sent) / max(took, 1e-3))
        _log.info("uploaded %s in %.2f s, %s/s", artifact_line(stored.value), took, rate)

    async def _claim(self, key: str, pointer: Pointer, there: Pointer | None) -> None:
        """The name is nobody's yet, and of two who ask at once one gets it, where the store can tell."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError

        taken = there is not None
        if not taken:
            for one in self._keys.objects(pointer):
                taken = taken or await self._size(one) is not None
        if not taken:
            with translated(self._url, f"claiming {key}"):
                try:
                    await obstore.put_async(self._store, key, pointer.packed(), mode="create")
                except AlreadyExistsError:
                    found = await self._read(key)
                    taken = found is None or not found.same(pointer)
                except NotSupportedError:
                    await obstore.put_async(self._store, key, pointer.packed())
        if taken:
            raise SinkRejected(f"{self._url} has {pointer.value.name!r} already, which overwrite=False leaves as it is")

    async def _opened(self, key: str, pointer: Pointer, there: Pointer) -> Pointer:
        """A directory's files change one by one: cut off from here on, it is neither version, and nobody may rely on what the
        old pointer says."""
        either = {one.path: one for one in (*pointer.files, *there.files)}
        opened = replace(pointer, files=tuple(either.values()))
        await self._put(key, opened.packed())
        return opened

    async def _put_objects(self, pointer: Pointer, known: Mapping[str, Listed], stored: StoredArtifact) -> None:
        """Of a directory only what changed is sent. A file always is: an upload that was cut off may have replaced the one that
        the pointer names."""
        value = pointer.value
        async with asyncio.TaskGroup() as group:
            for key, one in self._keys.objects(pointer).items():
                if value.target is not None:
                    group.create_task(self._put(key, f"{value.target}\n".encode()))
                elif (have := known.get(key)) is None or have.digest != one.digest:
                    group.create_task(self._put_file(key, one, stored))

    async def _remove_old(self, pointer: Pointer, there: Pointer | None) -> None:
        import obstore

        if there is None:
            return
        left = self._keys.objects(there).keys() - self._keys.objects(pointer).keys()
        for key in sorted(left):
            with translated(self._url, f"removing {key}"), suppress(FileNotFoundError):
                await obstore.delete_async(self._store, key)

    # -- bytes ------------------------------------------------------------------------------------------------------

    async def _put_content(self, one: Listed, stored: StoredArtifact) -> None:
        key = self._keys.content(one.digest)
        if await self._size(key) != one.size_bytes:
            await self._put_file(key, one, stored)

    async def _put_file(self, key: str, one: Listed, stored: StoredArtifact) -> None:
        import obstore

        path = self._path(stored, one)
        part = max(PART_BYTES, -(-one.size_bytes // _MOST_PARTS))
        async with self._turns:
            with translated(self._url, f"uploading {key}"):
                await obstore.put_async(self._store, key, path, chunk_size=part, max_concurrency=self._parallel)
        self.sent_bytes += one.size_bytes

    async def _put(self, key: str, content: bytes) -> None:
        import obstore

        async with self._turns:
            with translated(self._url, f"writing {key}"):
                await obstore.put_async(self._store, key, content)

    async def _read(self, key: str) -> Pointer | None:
        import obstore

        with translated(self._url, f"reading {key}"):
            try:
                found = await obstore.get_async(self._store, key)
                content = bytes(await found.bytes_async())
            except FileNotFoundError:
                return None
        with suppress(DamagedArtifact):
            return Pointer.unpacked(content, key)
        return None

    async def _size(self, key: str) -> int | None:
        import obstore

        with translated(self._url, f"looking for {key}"):
            try:
                return int((await obstore.head_async(self._store, key))["size"])
            except FileNotFoundError:
                return None

    # -- the run ----------------------------------------------------------------------------------------------------

    async def _stored(self, name: str, version: int | None) -> StoredArtifact:
        """A version, also of a symlink."""
        try:
            return await asyncio.to_thread(one_artifact, self._directory, name, version, follow=False)
        except (ArtifactNotFound, DamagedArtifact) as error:
            raise SinkRejected(f"the run lacks what was logged: {error}") from error

    def _pointer_to(self, stored: StoredArtifact) -> Pointer:
        try:
            return Pointer.of(stored, self._run, complete=False)
        except (DamagedArtifact, OSError) as error:
            raise SinkRejected(f"the run lacks what was logged: {error}") from error

    def _path(self, stored: StoredArtifact, one: Listed) -> Path:
        try:
            return stored.content(one.digest)
        except DamagedArtifact as error:
            raise SinkRejected(f"the run lacks what was logged: {error}") from error
