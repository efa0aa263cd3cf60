"""W&B's ``summary``: what is left of each metric, and what a program puts there itself."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from asynclog.integrations.wandb.values import plain


class Summary:
    """A view of nested values: ``summary["acc"]["max"]``, ``summary.acc``. What is put is recorded at once."""

    def __init__(self, values: dict[str, Any], changed: Callable[[dict[str, Any]], None]) -> None:
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_changed", changed)

    def update(self, d: Mapping[str, Any]) -> None:
        """Put several."""
        taken = {key: plain(one) for key, one in d.items()}
        taken = {key: one.item() if getattr(one, "shape", None) == () else one for key, one in taken.items()}
        self._values.update(taken)
        self._changed(taken)

    def keys(self) -> list[str]:
        return list(self._values)

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def __getitem__(self, key: str) -> Any:
        found = self._values[key]
        return self._below(key, found) if isinstance(found, dict) else found

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"the summary has no {key!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _below(self, key: str, values: dict[str, Any]) -> "Summary":
        return Summary(values, lambda changed: self._changed({f"{key}.{name}": one for name, one in changed.items()}))

    def __repr__(self) -> str:
        return repr(self._values)
