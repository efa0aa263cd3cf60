"""W&B's table: rows under columns, logged whole, or by what was added since, as its ``log_mode`` says."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np

from asynclog.integrations.outbox import Said
from asynclog.integrations.wandb.media import Media

_DEFAULT: Final = ("Input", "Output", "Expected")
_MODES: Final = ("IMMUTABLE", "MUTABLE", "INCREMENTAL")


class Table(Media):
    """columns: names. data: rows, an array (rows, columns) or a DataFrame; rows, dataframe: other names for it.

    log_mode: "INCREMENTAL" logs the rows that were added since it was logged last, the others all of them. Cells of media are
    recorded beside the table, under ``<key>.<column>``, and named in their cell. dtype, optional and allow_mixed_types are of
    W&B's checks; here a column may hold anything.
    """

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: bool | list[bool] = True,
        allow_mixed_types: bool = False,
        log_mode: Literal["IMMUTABLE", "MUTABLE", "INCREMENTAL"] | None = "IMMUTABLE",
    ) -> None:
        super().__init__()
        if log_mode is not None and log_mode not in _MODES:
            raise ValueError(f"Invalid log_mode: {log_mode!r}. It is one of {', '.join(_MODES)}")
        self.log_mode = log_mode or "IMMUTABLE"
        given = dataframe if dataframe is not None else data if data is not None else rows
        if hasattr(given, "columns") and hasattr(given, "itertuples"):
            columns = list(given.columns) if columns is None or dataframe is not None else columns
            given = given.itertuples(index=False, name=None)
        self.columns: list[Any] = list(columns if columns is not None else _DEFAULT)
        self.data: list[list[Any]] = []
        for row in given if given is not None else ():
            self.add_data(*row)
        self._logged = 0

    def add_data(self, *data: Any) -> None:
        """A row: as many cells as columns."""
        if len(data) != len(self.columns):
            raise ValueError(f"This table expects {len(self.columns)} columns: {self.columns}, found {len(data)}")
        self.data.append(list(data))

    def add_row(self, *row: Any) -> None:
        """The same."""
        self.add_data(*row)

    def add_column(self, name: str, data: Any, optional: bool = False) -> None:
        """A column: as many cells as rows."""
        if name in self.columns:
            raise ValueError(f"there is a column {name!r}")
        cells = list(data)
        if self.data and len(cells) != len(self.data):
            raise ValueError(f"a column of {len(self.data)} rows has as many cells, not {len(cells)}")
        self.data = self.data or [[] for _ in cells]
        for row, cell in zip(self.data, cells, strict=True):
            row.append(cell)
        self.columns.append(name)

    def add_computed_columns(self, fn: Callable[[int, dict[Any, Any]], dict[str, Any]]) -> None:
        """Columns that ``fn(index, row)`` makes of each row."""
        made = [fn(index, dict(zip(self.columns, row, strict=True))) for index, row in self.iterrows()]
        for name in made[0] if made else ():
            self.add_column(name, [one[name] for one in made])

    def get_column(self, name: Any, convert_to: Literal["numpy"] | None = None) -> Any:
        """One column's cells."""
        at = self.columns.index(name)
        cells = [row[at] for row in self.data]
        return np.array(cells) if convert_to == "numpy" else cells

    def get_dataframe(self) -> Any:
        """As a DataFrame of pandas."""
        import pandas as pd

        return pd.DataFrame.from_records(self.data, columns=self.columns)

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """(index, row) of each."""
        yield from enumerate(self.data)

    def said(self, key: str) -> list[Said]:
        fresh = self.data[self._logged :] if self.log_mode == "INCREMENTAL" else self.data
        first, self._logged = len(self.data) - len(fresh), len(self.data)
        names = list(map(str, self.columns))
        beside: list[Said] = []
        rows = []
        for number, row in enumerate(fresh, first):
            cells = []
            for name, cell in zip(names, row, strict=True):
                if isinstance(cell, Media):
                    beside += cell.said(f"{key}.{name}")
                    cell = f"{type(cell).__name__} of row {number}"
                cells.append(cell)
            rows.append(cells)
        return [Said("log_table", key, rows, {"columns": names}), *beside]
