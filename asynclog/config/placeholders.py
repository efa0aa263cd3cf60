"""Placeholders in a configuration's text: ``{run_name}``, ``{rank}``, ``{local_rank}``, ``{node_rank}``, ``{world_size}`` and
``{env:NAME}``; ``{{`` and ``}}`` are braces.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from asynclog.config.complaints import Complaint, Key, nearest
from asynclog.logger.ranks import Ranks, ranks_here

_PART: Final = re.compile(r"\{\{|\}\}|\{(env:)?([^{}]*)\}|[{}]")
_BRACES: Final = {"{{": "{", "}}": "}"}
NAMES: Final = ("run_name", "rank", "local_rank", "node_rank", "world_size")


def filled(settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Complaint]]:
    """The settings of a logger with the texts of ``run`` and ``sinks`` filled, and what was wrong with them."""
    ranks, run, name = ranks_here(environ), settings.get("run"), settings.get("run_name")
    of_run = Filling(ranks, name if isinstance(name, str) else None, environ)
    whole = {**settings, **({"run": of_run.filled(run, ("run",))} if "run" in settings else {})}
    if name is None and isinstance(run, str | os.PathLike) and not of_run.complaints:
        whole["run_name"] = name = Path(whole["run"]).name
    of_sinks = Filling(ranks, name if isinstance(name, str) else None, environ)
    if "sinks" in settings:
        whole["sinks"] = of_sinks.filled(settings["sinks"], ("sinks",))
    return whole, of_run.complaints + of_sinks.complaints


class Filling:
    """What stands for each. run_name: None where nothing says it. complaints: what was wrong with the texts so far."""

    def __init__(self, ranks: Ranks, run_name: str | None, environ: Mapping[str, str]) -> None:
        self._known: dict[str, str] = {name: str(getattr(ranks, name)) for name in NAMES[1:]}
        if run_name is not None:
            self._known["run_name"] = run_name
        self._environ = environ
        self.complaints: list[Complaint] = []

    def filled(self, node: Any, key: Key) -> Any:
        """The same with every text filled, at whatever depth."""
        if isinstance(node, str):
            return "".join(self._parts(node, key))
        if isinstance(node, Mapping):
            # Not what names a sink: a path with braces is a path.
            return {name: inner if name == "use" else self.filled(inner, (*key, name)) for name, inner in node.items()}
        if type(node) is list or type(node) is tuple:
            return [self.filled(inner, (*key, at)) for at, inner in enumerate(node)]
        return node

    def _parts(self, text: str, key: Key) -> Iterator[str]:
        end = 0
        for found in _PART.finditer(text):
            yield text[end : found.start()]
            yield _BRACES.get(found[0]) or self._stands_for(found[0], found[1], found[2], key)
            end = found.end()
        yield text[end:]

    def _stands_for(self, whole: str, environment: str | None, name: str | None, key: Key) -> str:
        if name is None:
            self._complain(key, f"a brace by itself is written {whole * 2}")
        elif environment is not None:
            if name in self._environ:
                return self._environ[name]
            self._complain(key, f"{whole}: the environment has no {name}{nearest(name, self._environ)}")
        elif name in self._known:
            return self._known[name]
        elif name == "run_name":
            self._complain(key, "{run_name}: a run without a directory has none; write run_name: …")
        else:
            way = nearest(name, NAMES) or f"; there are {', '.join(f'{{{one}}}' for one in NAMES)} and {{env:NAME}}"
            self._complain(key, f"there is no placeholder {whole}{way}; a brace by itself is written {{{{")
        return whole

    def _complain(self, key: Key, what: str) -> None:
        self.complaints.append(Complaint(key, what))
