"""3DB's JSONLogger: a line of JSON a result in details.log, and the class map copied beside it."""

import json
import shutil
from os import path
from typing import Any

from asynclog.integrations.threedb import BaseLogger, Buffer


class JSONLogger(BaseLogger):
    """The channels that the evaluation says are its own, and what was rendered."""

    def __init__(self, root_dir: str, result_buffer: Buffer, config: dict[str, Any]) -> None:
        super().__init__(root_dir, result_buffer, config)
        self.handle = open(path.join(root_dir, "details.log"), "a")  # noqa: SIM115
        self.evaluation = config["evaluation"]
        if "label_map" in config["inference"]:
            shutil.copyfile(config["inference"]["label_map"], path.join(root_dir, "class_maps.json"))

    def log(self, item: dict[str, Any]) -> None:
        channels = self.buffer[item["result_ix"]]
        result = {name: channels[name].tolist() for name in self.evaluation["keys"] if name in channels}
        result |= {name: item[name] for name in ("id", "environment", "model")}
        result["render_args"] = {".".join(key): value for key, value in item["render_args"].items()}
        result["output_type"] = self.evaluation["output_type"]
        self.handle.write(json.dumps(result) + "\n")

    def end(self) -> None:
        self.handle.close()


Logger = JSONLogger
