"""The way back: an artifact from a store to a file or directory, whose digests are checked before it has its name."""

import asyncio
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from asynclog.artifacts.layout import Listed
from asynclog.errors import ArtifactNotFound, DamagedArtifact
from asynclog.sinks.objectstore.answers import translated
from asynclog.sinks.objectstore.pointer import Keys, Pointer

_CHUNK_BYTES: Final = 8 << 20
_LONGEST_CHAIN: Final = 40
_AT_ONCE: Final = 8


async def download(store: Any, url: str, keys: Keys, name: str, to: Path, version: int | None) -> Path:
    """See ``ObjectStore.download``."""
    pointer = await _pointer(store, url, keys, name, version)
    value = pointer.value
    target = to / value.name.rpartition("/")[2] if await asyncio.to_thread(to.is_dir) else to
    if await asyncio.to_thread(target.exists):
        raise FileExistsError(f"{target} is there already")
    draft = target.with_name(f".{target.name[:100]}.{token_hex(4)}.part")
    objects: Mapping[str, Listed] = keys.objects(pointer)
    if version is not None:
        objects = {one.path: one for one in objects.values()}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def fetch(key: str, one: Listed) -> None:
        source = keys.content(one.digest) if version is not None else key
        async with turns:
            await _fetch(store, url, source, draft / one.path if value.files is not None else draft, one, value.label)

    try:
        await asyncio.to_thread((target.parent if value.files is None else draft).mkdir, parents=True, exist_ok=True)
        for outcome in await asyncio.gather(*(fetch(*one) for one in objects.items()), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        await asyncio.to_thread(draft.rename, target)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(_discard, draft))
        raise
    return target


def _discard(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)


async def _pointer(store: Any, url: str, keys: Keys, name: str, version: int | None) -> Pointer:
    import obstore

    for _ in range(_LONGEST_CHAIN):
        key = keys.pointer(name) if version is None else keys.version(name, version)
        with translated(url, f"reading {key}"):
            try:
                content = bytes(await (await obstore.get_async(store, key)).bytes_async())
            except FileNotFoundError:
                which = f"artifact {name!r}" if version is None else f"version {version} of artifact {name!r}"
                raise ArtifactNotFound(f"{url} has no {which}: there is no {key}") from None
        pointer = Pointer.unpacked(content, key)
        if pointer.value.target is None:
            if not pointer.complete and version is None:
                raise DamagedArtifact(f"{url}: {pointer.value.label} is still being uploaded, or was never finished")
            return pointer
        name = pointer.value.target
    raise ArtifactNotFound(f"{url}: artifact {name!r} is a symlink that leads back to itself")


async def _fetch(store: Any, url: str, key: str, target: Path, one: Listed, label: str) -> None:
    import obstore

    found = sha256()
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    with translated(url, f"downloading {key}"):
        try:
            answer = await obstore.get_async(store, key)
            file = await asyncio.to_thread(target.open, "xb")
            with file:
                async for chunk in answer.stream(min_chunk_size=_CHUNK_BYTES):
                    found.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
        except FileNotFoundError:
            raise DamagedArtifact(f"{url} lacks {key}, of {label}") from None
    if found.hexdigest() != one.digest:
        raise DamagedArtifact(f"{url}: {key} is not what was recorded of {label}")
