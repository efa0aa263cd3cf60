"""A logger as people wrote them for ml-starter: numbers as a table, and beside it what shapes the pictures had."""

import csv
import json

from asynclog.integrations.mlstarter import BaseLogger


class TableLogger(BaseLogger):
    def __init__(self, config):
        super().__init__(config)
        self.row = {}
        self.shapes = {}

    def initialize(self, log_directory):
        super().initialize(log_directory)
        self.file = (log_directory / "table.csv").open("a", newline="")
        self.writer = csv.writer(self.file)

    def log_scalar(self, key, value, state, namespace):
        self.row[f"{namespace}/{key}"] = value()

    def log_image(self, key, value, state, namespace):
        self.shapes[f"{namespace}/{key}"] = list(value().shape)

    def log_audio(self, key, value, state, namespace):
        samples, rate = value()
        self.shapes[f"{namespace}/{key}"] = [*samples.shape, rate]

    def log_video(self, key, value, state, namespace):
        self.shapes[f"{namespace}/{key}"] = list(value().shape)

    def log_point_cloud(self, key, value, state, namespace):
        self.shapes[f"{namespace}/{key}"] = list(value().shape)

    def log_config(self, config):
        (self.log_directory / "settings.json").write_text(json.dumps(config))

    def write(self, state):
        for name, value in sorted(self.row.items()):
            self.writer.writerow([state.phase, state.num_steps, f"{state.elapsed_time_s:.1f}", name, value])
        self.file.flush()
        if self.shapes:
            (self.log_directory / "shapes.json").write_text(json.dumps(self.shapes, sort_keys=True))

    def clear(self, state):
        self.row.clear()


Logger = TableLogger
