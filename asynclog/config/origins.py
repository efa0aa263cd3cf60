"""Where a configuration's keys stand: file and line, through all files that inherit from each other.

It reads the files once more, as PyYAML composes them: only when there is something to complain of, or somebody asks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from asynclog.config.complaints import Complaint, Key
from asynclog.config.files import BASE

Origin = tuple[Path, int]
_MOST_VALUES: Final = 100_000


class Origins:
    """Of one file and those it inherits from. repeated: keys that stand twice in one mapping, of which YAML takes the last."""

    def __init__(self, path: Path) -> None:
        self._lines: dict[Key, Origin] = {}
        self.repeated: list[Complaint] = []
        self._read(path)

    def __call__(self, key: Key) -> str:
        """The place of a key, file.yaml:12, or of the nearest thing around it that stands in a file."""
        while key and key not in self._lines:
            key = key[:-1]
        found = self._lines.get(key)
        return "" if found is None else f"{found[0]}:{found[1]}"

    def _read(self, path: Path) -> None:
        import yaml

        root: Any = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        own = dict(self._walk(root, (), path))
        base = next((value.value for name, value in root.value if name.value == BASE), None)
        if base is not None:
            self._read(path.parent / base)
        for key, (_, is_whole) in own.items():
            if is_whole:
                # A list or a value replaces what stands under it; a mapping is merged.
                for under in [one for one in self._lines if one[: len(key)] == key]:
                    del self._lines[under]
        self._lines.update({key: origin for key, (origin, _) in own.items()})
        self._lines.setdefault((), (path, 1))
        self._lines[()] = (path, 1)

    def _walk(self, node: Any, key: Key, path: Path) -> Iterator[tuple[Key, tuple[Origin, bool]]]:
        import yaml

        if len(self._lines) > _MOST_VALUES:
            return
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for name, value in node.value:
                inner: Key = (*key, name.value)
                line = name.start_mark.line + 1
                if isinstance(name.value, str) and name.value in seen and name.value != "<<":
                    what = f"it stands twice, first in line {seen[name.value]}"
                    self.repeated.append(Complaint(inner, what, f"{path}:{line}"))
                seen.setdefault(name.value, line)
                yield inner, ((path, line), not isinstance(value, yaml.MappingNode))
                yield from self._walk(value, inner, path)
        elif isinstance(node, yaml.SequenceNode):
            for at, value in enumerate(node.value):
                yield (*key, at), ((path, value.start_mark.line + 1), False)
                yield from self._walk(value, (*key, at), path)
