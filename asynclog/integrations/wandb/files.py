"""The files that ``save`` finds."""

import os
from glob import glob as matching
from pathlib import Path
from typing import Any, Final

from asynclog.integrations.wandb.said import once

_POLICIES: Final = ("live", "now", "end")


def found(glob_str: Any, base_path: Any, policy: str, glob: bool) -> dict[str, Path]:
    """The files that a pattern names, by their paths below ``base_path``: by default the working directory, or of an absolute
    pattern the directory above its last. Raises ValueError for another policy, and a pattern that isn't below."""
    if policy not in _POLICIES:
        raise ValueError(f"policy is one of {', '.join(_POLICIES)}, not {policy!r}")
    if policy != "now":
        once("save(policy=%r): files are kept as they are when save is called", policy)
    pattern = Path(os.path.abspath(glob_str.decode() if isinstance(glob_str, bytes) else glob_str))
    absolute = os.path.isabs(glob_str.decode() if isinstance(glob_str, bytes) else glob_str)
    above = Path(os.path.abspath(base_path)) if base_path is not None else (pattern.parent.parent if absolute else Path.cwd())
    if not pattern.is_relative_to(above):
        raise ValueError(f"{str(pattern)!r} is not below {str(above)!r}")
    paths = sorted(map(Path, matching(str(pattern)) if glob else [str(pattern)]))
    return {one.relative_to(above).as_posix(): one for one in paths if one.is_file()}
