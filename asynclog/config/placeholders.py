"""Placeholders in a configuration's text: ``{run_name}``, ``{writer}``, ``{rank}``, ``{local_rank}``, ``{node_rank}``,
``{world_size}`` and ``{env:NAME}``; ``{{`` and ``}}`` are braces.
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
NAMES: Final = ("run_name", "writer", "rank", "local_rank", "node_rank", "world_size")
_FILL_THEIR_OWN: Final = {"logfile": frozenset({"filename"}), "objectstore": frozenset({"prefix"})}
"""Arguments of sinks that fill in more, or need to see where a rank's number stands: these are left as they are."""


def filled(settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Complaint]]:
    """The settings of a logger with the texts of ``run`` and ``sinks`` filled, and what was wrong with them."""
    ranks, run, name = ranks_here(environ), settings.get("run"), settings.get("run_name")
    writer = settings.get("writer")
    known = {"writer": writer if isinstance(writer, str) else ranks.writer}
    of_run = Filling(ranks, {**known, "run_name": name}, environ)
    whole = {**settings, **({"run": of_run.filled(run, ("run",))} if "run" in settings else {})}
    if name is None and isinstance(run, str | os.PathLike) and not of_run.complaints:
        whole["run_name"] = name = Path(whole["run"]).name
    of_sinks = Filling(ranks, {**known, "run_name": name}, environ)
    if "sinks" in settings:
        whole["sinks"] = of_sinks.filled(settings["sinks"], ("sinks",))
    return whole, of_run.complaints + of_sinks.complaints


class Filling:
    """What stands for each. names: of the run and the writer, as far as they are known. complaints: what was wrong with the
    texts so far."""

    def __init__(self, ranks: Ranks, names: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._known: dict[str, str] = {name: str(getattr(ranks, name)) for name in NAMES[2:]}
        self._known |= {name: one for name, one in names.items() if isinstance(one, str)}
        self._environ = environ
        self.complaints: list[Complaint] = []

    def filled(self, node: Any, key: Key) -> Any:
        """The same with every text filled, at whatever depth."""
        if isinstance(node, str):
            return "".join(self._parts(node, key))
        if isinstance(node, Mapping):
            # Not what names a sink: a path with braces is a path.
            left = {"use", *_FILL_THEIR_OWN.get(_sink_of(node, key), ())}
            return {name: inner if name in left else self.filled(inner, (*key, name)) for name, inner in node.items()}
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


def _sink_of(entry: Mapping[str, Any], key: Key) -> str:
    """The name of the sink that this is an entry of, if it is one."""
    named = entry.get("use", str(entry.get("_target_", key[-1])).rpartition(".")[2]) if len(key) == 2 else ""
    return str(named).lower().replace("-", "").replace("_", "")
