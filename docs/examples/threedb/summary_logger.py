"""The accuracy of each model so far, in summary.json, as 3DB's TbLogger has it.

What a logger keeps in memory dies with its process. This one saves it after each result, and begins with what it finds.
"""

import json
import os
from pathlib import Path
from typing import Any

from asynclog.integrations.threedb import BaseLogger, Buffer


class SummaryLogger(BaseLogger):
    """{"results": n, "last": result_ix, "models": {model: {"correct": n, "results": n, "accuracy": share}}}"""

    def __init__(self, root_dir: str, result_buffer: Buffer, config: dict[str, Any]) -> None:
        super().__init__(root_dir, result_buffer, config)
        self.path = Path(root_dir, "summary.json")
        self.summary: dict[str, Any] = {"results": 0, "last": -1, "models": {}}
        if self.path.exists():
            self.summary = json.loads(self.path.read_text())

    def log(self, item: dict[str, Any]) -> None:
        if item["result_ix"] <= self.summary["last"]:
            return
        correct = bool(self.buffer[item["result_ix"]]["is_correct"])
        model = self.summary["models"].setdefault(item["model"], {"correct": 0, "results": 0})
        model["correct"] += correct
        model["results"] += 1
        model["accuracy"] = model["correct"] / model["results"]
        self.summary["results"] += 1
        self.summary["last"] = item["result_ix"]
        # Renamed into place: whoever looks finds one state or the other.
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.summary))
        os.replace(new, self.path)


Logger = SummaryLogger
