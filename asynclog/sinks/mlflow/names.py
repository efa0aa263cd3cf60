"""Names as MLflow takes them, so that two of ours never become one.

MLflow's names of metrics, parameters and tags are letters, digits, "_", "-", ".", " " and "/", at most 250 of them, and read as
a path they must be that path: no empty part, no "." and no "..". Names of image series are ASCII beside. What is not allowed
becomes ``_U<hex>_``, the character's code point, and an empty part ``_U_``; so does an underscore that would otherwise read as
the beginning of that. What is too long is cut and ends with "-" and 16 hex digits of its BLAKE2 digest.

Source: mlflow.utils.validation (names of metrics), mlflow.MlflowClient.log_image (keys of images).
"""

import re
from hashlib import blake2b
from typing import Final

METRIC_LONGEST: Final = 250
IMAGE_LONGEST: Final = 120
"""Of 255 bytes of a file's name; the rest are step, time and an identity."""

_METRIC: Final = re.compile(r"[^\w\-. /]|_(?=U[0-9A-F_])")
_ASCII: Final = re.compile(r"[^A-Za-z0-9_\-. /]|_(?=U[0-9A-F_])")
_EMPTY: Final = "_U_"
_DOTS: Final = frozenset({".", ".."})
_MOST_NAMES: Final = 1 << 16


class MetricNames(dict[tuple[str, str], str]):
    """(phase, name) → the metric's name."""

    def __missing__(self, parts: tuple[str, str]) -> str:
        if len(self) >= _MOST_NAMES:
            self.clear()
        name = self[parts] = metric_name("/".join(parts))
        return name


def metric_name(name: str) -> str:
    """The name of a metric, parameter or tag."""
    return _fitted(name, _METRIC, METRIC_LONGEST)


def image_key(name: str) -> str:
    """The key of a series of images, and the directory of an artifact."""
    return _fitted(name, _ASCII, IMAGE_LONGEST)


def _fitted(name: str, forbidden: "re.Pattern[str]", longest: int) -> str:
    made = "/".join(_part(part) for part in forbidden.sub(lambda found: escaped(found[0]), name).split("/"))
    if len(made) <= longest:
        return made
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{made[: longest - len(digest) - 1].rstrip('/')}-{digest}"


def _part(part: str) -> str:
    """Between two slashes."""
    if not part:
        return _EMPTY
    return "".join(map(escaped, part)) if part in _DOTS else part


def escaped(character: str) -> str:
    """What stands for a character that may not stand there."""
    return f"_U{ord(character):X}_"
