"""W&B's ``Artifact``: named files. What of it resolves versions and references on W&B's server has no counterpart here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any, Final, Literal

_NAME: Final = re.compile(r"[a-zA-Z0-9_\-.]+")


class Artifact:
    """name: letters, digits, ``-``, ``_``, ``.``. type: a word of the program's. metadata: recorded with it. The other
    arguments are of W&B's storage."""

    def __init__(
        self,
        name: str,
        type: str,
        description: str | None = None,
        metadata: dict[str, Any] | None = None,
        incremental: bool = False,
        use_as: str | None = None,
        storage_region: str | None = None,
        digest_algorithm: Literal["MD5", "XXH128"] = "MD5",
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"Artifact name may only contain alphanumeric characters, dashes, underscores, and dots. Invalid name: {name!r}"
            )
        self.name, self.type, self.description, self.metadata = name, type, description, dict(metadata or {})
        self._files: dict[str, Path] = {}
        self._own: Path | None = None

    @classmethod
    def of(cls, artifact_or_path: Any, name: str, type: str | None) -> "Artifact":
        """An artifact as it is, or one of a file or directory."""
        if isinstance(artifact_or_path, Artifact):
            return artifact_or_path
        path = Path(artifact_or_path)
        made = cls(re.sub(r"[^a-zA-Z0-9_\-.]", "-", name), type or "unspecified")
        if path.is_dir():
            made.add_dir(str(path))
        else:
            made.add_file(str(path))
        return made

    def add_file(
        self,
        local_path: str,
        name: str | None = None,
        is_tmp: bool | None = False,
        skip_cache: bool | None = False,
        policy: Literal["mutable", "immutable"] | None = "mutable",
        overwrite: bool = False,
    ) -> None:
        """Raises ValueError if there is no such file, or another under its name."""
        path = Path(local_path)
        if not path.is_file():
            raise ValueError(f"Path is not a file: {local_path!r}")
        self._take(name or path.name, path, overwrite=overwrite)

    def add_dir(
        self,
        local_path: str,
        name: str | None = None,
        skip_cache: bool | None = False,
        policy: Literal["mutable", "immutable"] | None = "mutable",
        merge: bool = False,
    ) -> None:
        """All files below a directory, under ``name``. Raises ValueError."""
        above = Path(local_path)
        if not above.is_dir():
            raise ValueError(f"Path is not a directory: {local_path!r}")
        for path in sorted(one for one in above.rglob("*") if one.is_file()):
            below = path.relative_to(above).as_posix()
            self._take(f"{name}/{below}" if name else below, path, overwrite=merge)

    @contextmanager
    def new_file(
        self,
        name: str,
        mode: str = "x",
        encoding: str | None = None,
        policy: Literal["mutable", "immutable"] = "mutable",
    ) -> Iterator[IO[Any]]:
        """A file to write into."""
        self._own = self._own or Path(mkdtemp(prefix="asynclog-artifact-"))
        path = self._own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding=encoding) as file:
            yield file
        self._take(name, path, overwrite=True)

    def wait(self, timeout: int | None = None) -> "Artifact":
        """At once: it is kept, and whoever takes it on does so by itself."""
        return self

    def files(self) -> dict[str, Path]:
        """Each by the name that the run has it under."""
        return {f"{self.name}/{name}": path for name, path in self._files.items()}

    @property
    def about(self) -> dict[str, Any]:
        """What is recorded of it beside its files."""
        given = {"type": self.type, "description": self.description, "metadata": self.metadata}
        return {name: one for name, one in given.items() if one} | {"files": sorted(self._files)}

    def _take(self, name: str, path: Path, *, overwrite: bool) -> None:
        if name in self._files and self._files[name] != path and not overwrite:
            raise ValueError(f"there is a file {name!r} in the artifact {self.name!r}")
        self._files[name] = path
