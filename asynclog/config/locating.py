"""Finding a logger's module without importing it: its code is to run in the process that hosts it, and nowhere else.

A dotted name is looked up part by part, because ``importlib.util.find_spec`` imports the parents of what it is asked for.
"""

import ast
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from asynclog.errors import InvalidConfiguration
from asynclog.logger.naming import shortened

EXPORTS: Final = ("Logger", "Sink")
"""What a module may export; the first that it has is taken."""


def is_file(module: str) -> bool:
    """Whether a module is named by the path of its file rather than by a dotted name."""
    return module.endswith(".py") or "/" in module


def check_found(module: str) -> None:
    """Raises InvalidConfiguration, with the nearest known name, for a module that isn't there or exports no logger."""
    source = _source_of_file(Path(module)) if is_file(module) else _source_of_name(module)
    if source is not None:
        _check_exports(module, source)


def _source_of_file(path: Path) -> Path:
    try:
        return _found(path)
    except OSError as error:
        raise InvalidConfiguration(f"logger_modules: {shortened(str(path), 200)}: {error.strerror or error}") from error


def _found(path: Path) -> Path:
    if path.is_file():
        if path.suffix != ".py":
            raise InvalidConfiguration(f"logger_modules: expected the path of a .py file, got {path}")
        return path
    near = ""
    if path.parent.is_dir():
        near = _nearest(path.name, (one.name for one in path.parent.glob("*.py") if one.is_file()))
    what = f"there is no file {path}" if path.parent.is_dir() else f"there is no directory {path.parent}"
    raise InvalidConfiguration(f"logger_modules: {what}{near}")


def _source_of_name(name: str) -> Path | None:
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise InvalidConfiguration(f"logger_modules: expected a dotted name or the path of a .py file, got {name!r}")
    if parts[0] == "__main__":
        raise InvalidConfiguration("logger_modules: __main__ is another program in each process; name its file")
    try:
        spec = find_spec(parts[0])
    except ValueError as error:
        raise InvalidConfiguration(
            f"logger_modules: {parts[0]} was made in this process, and can't be imported in another"
        ) from error
    for depth in range(1, len(parts)):
        if spec is None:
            break
        if spec.submodule_search_locations is None:
            raise InvalidConfiguration(f"logger_modules: {'.'.join(parts[:depth])} is a module, and no package with {name!r}")
        spec = _child(spec, ".".join(parts[: depth + 1]))
    if spec is None:
        raise InvalidConfiguration(f"logger_modules: no module named {name!r}{_nearest_module(parts)}")
    return Path(spec.origin) if spec.origin is not None and spec.origin.endswith(".py") else None


def _child(package: ModuleSpec, name: str) -> ModuleSpec | None:
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__spec__ is not None:
        return loaded.__spec__
    return PathFinder.find_spec(name, package.submodule_search_locations)


def _nearest_module(parts: Sequence[str]) -> str:
    """Of the first part that isn't there, the nearest beside it."""
    places: Sequence[str] | None = None
    for depth, part in enumerate(parts):
        names = [one.name for one in pkgutil.iter_modules(places)]
        if part not in names:
            return _nearest(part, names, ".".join([*parts[:depth], ""]))
        spec = find_spec(part) if places is None else PathFinder.find_spec(".".join(parts[: depth + 1]), places)
        places = None if spec is None else spec.submodule_search_locations
        if places is None:
            break
    return ""


def _nearest(name: str, known: Iterable[str], before: str = "") -> str:
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {before + close[0]!r}?" if close else ""


# -- what it exports -----------------------------------------------------------------------------------------------------


def _check_exports(module: str, source: Path) -> None:
    try:
        tree = ast.parse(source.read_bytes(), str(source))
    except SyntaxError as error:
        raise InvalidConfiguration(f"logger module {module}: line {error.lineno or 1}: {error.msg}") from error
    except (OSError, ValueError, MemoryError, RecursionError) as error:
        raise InvalidConfiguration(f"logger module {module} can't be read: {str(error) or type(error).__name__}") from error
    names: dict[str, bool] = {}
    _collect(tree.body, names)
    # A star import, or a module's own __getattr__, may bring it: then it is told when it is loaded.
    if names.keys() & {*EXPORTS, "*", "__getattr__"}:
        return
    near = _nearest(EXPORTS[0], names)
    classes = [name for name, is_class in names.items() if is_class]
    way = f"; write {EXPORTS[0]} = {classes[-1]}" if classes else near
    raise InvalidConfiguration(f"logger module {module} exports neither {' nor '.join(EXPORTS)}{way}")


def _collect(body: Sequence[ast.stmt], names: dict[str, bool]) -> None:
    """Names that a module binds at its top level, and whether each is a class; also under if, try, with and match."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names[node.name] = isinstance(node, ast.ClassDef)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((one.asname or one.name.split(".")[0], False) for one in node.names)
        else:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            found = (one for target in targets if isinstance(target, ast.AST) for one in ast.walk(target))
            names.update((one.id, False) for one in found if isinstance(one, ast.Name))
            for part in ("body", "orelse", "finalbody"):
                _collect(getattr(node, part, None) or [], names)
            for further in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                _collect(further.body, names)
