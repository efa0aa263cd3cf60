"""Artifacts: files and directories that a run keeps, copied beside the loop when the write that takes them is awaited.

Light, as every method of a logger's: what copies loads with the first logger.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asynclog.artifacts.asked import Asked
from asynclog.errors import InvalidConfiguration, InvalidValue
from asynclog.logger.namespaces import Namespaces
from asynclog.logger.naming import described

if TYPE_CHECKING:
    from asynclog.logger.core import Core


class Keeping(Namespaces):
    """The methods, for a logger."""

    _core: "Core"

    def _put(self, kind: str, key: str, value: object, namespace: str | None) -> None:
        raise NotImplementedError

    def log_artifact(
        self,
        name: str,
        path: "str | os.PathLike[str]",
        *,
        overwrite: bool = False,
        metadata: Mapping[str, Any] | None = None,
        namespace: str | None = None,
    ) -> None:
        """A file or a directory, which the run keeps a copy of: of what is there when ``write`` is awaited. When that returns
        the copy is whole and on disk, and the file may be changed or deleted.

        name: "checkpoints/best.pt", say. overwrite: whether there may be another of this name already; the copy is then its
        next version. What is alike the newest version is that version again. metadata: settings, as ``log_config`` takes them.
        What can't be kept is counted and said, and raises InvalidValue from ``write`` if the logger is strict. Raises
        InvalidConfiguration for a logger without a directory.
        """
        self._check_directory("log_artifact")
        try:
            where = os.fsdecode(path)
        except TypeError:
            self._core.complain(InvalidValue(kind="artifact", key=str(name), expected="a path", got=described(path)))
            return
        from asynclog.logger.settings import plain_settings

        self._put("artifact", name, Asked(where, bool(overwrite), plain_settings(dict(metadata or {}))), namespace)

    def log_symlink(
        self, existing_name: str, symlink_name: str, *, overwrite: bool = False, namespace: str | None = None
    ) -> None:
        """Another name for an artifact, "latest" for "checkpoints/ep3.pt", say: it stands for the newest version of that, which
        was logged before. overwrite: whether the name may have stood for something else."""
        self._check_directory("log_symlink")
        try:
            target = whole_name(self._full(namespace, "artifact", symlink_name), existing_name)
        except InvalidValue as error:
            self._core.complain(error)
            return
        self._put("artifact", symlink_name, Asked(None, bool(overwrite), {}, target), namespace)

    def _check_directory(self, method: str) -> None:
        if self._core.directory is None:
            raise InvalidConfiguration(
                f"{method}: this logger has no directory to keep files in (run=None); MultiLogger('runs/name') has one"
            )


def whole_name(namespace: str, name: Any) -> Any:
    """An artifact's name within the run."""
    return f"{namespace}/{name}" if namespace and isinstance(name, str) else name
