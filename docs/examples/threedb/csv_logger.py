"""3DB's own example of a logger, ported line by line: a header from ``render_args``, and a row a result."""

import csv
from os import path
from typing import Any

from asynclog.integrations.threedb import BaseLogger, Buffer


class CSVLogger(BaseLogger):
    """details.csv: id, whether it is correct, and a column a parameter."""

    def __init__(self, root_dir: str, result_buffer: Buffer, config: dict[str, Any]) -> None:
        super().__init__(root_dir, result_buffer, config)
        fname = path.join(root_dir, "details.csv")
        # 3DB opens it with "w". A logger that was killed is started again, and goes on where it was.
        self.handle = open(fname, "a", newline="")  # noqa: SIM115
        self.writer = csv.writer(self.handle)
        self.regid = self.buffer.register()
        self.first = self.handle.tell() == 0

    def log(self, item: dict[str, Any]) -> None:
        rix = item["result_ix"]
        buffer_data = self.buffer[rix]
        if self.first:
            param_keys = [".".join(key) for key in item["render_args"]]
            self.writer.writerow(["id", "correct", *param_keys])
            self.first = False
        self.writer.writerow([item["id"], bool(buffer_data["is_correct"]), *item["render_args"].values()])
        # 3DB hangs without this. Here it only lets go of the arrays a moment earlier.
        self.buffer.free(rix, self.regid)

    def end(self) -> None:
        self.handle.close()


Logger = CSVLogger
