"""Comet's offline archives, read as its uploader reads them, each message checked by comet_ml's own schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

from asynclog.sinks.comet.messages import LONGEST_NAME
from tests.integration.destinations import coded_names


class Told(NamedTuple):
    """A message. files: where those lie that it names, by name. meta: of its archive, empty while that isn't sealed."""

    kind: str
    payload: dict[str, Any]
    files: dict[str, bytes]
    meta: dict[str, Any]


def told_below(directory: Path) -> Iterator[Told]:
    """The messages of all archives of one experiment, the first archive first, then what isn't sealed."""
    sealed = sorted(directory.glob("*.zip"), key=lambda one: (one.stem.count("-"), len(one.stem), one.stem))
    for path in sealed:
        with ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        yield from _told(files)
    for place in sorted(one.parent for one in directory.glob("*/messages.json")):
        yield from _told({one.name: one.read_bytes() for one in place.iterdir()})


def _told(files: dict[str, bytes]) -> Iterator[Told]:
    from comet_ml import schemas

    meta: dict[str, Any] = {}
    if "experiment.json" in files:
        meta = json.loads(files["experiment.json"])
        schemas.get_experiment_file_validator().validate(meta)
    validators = {
        "metric_msg": schemas.get_metric_msg_validator(),
        "parameter_msg": schemas.get_parameter_msg_validator(),
        "file_upload": schemas.get_upload_msg_validator(),
        "3d-image": schemas.get_cloud_3d_msg_validator(),
        "log_other": schemas.get_log_other_msg_validator(),
    }
    boxes = schemas.get_3d_boxes_validator(allow_additional_properties=True)
    for number, line in enumerate(files["messages.json"].splitlines(), 1):
        message = json.loads(line)
        kind, payload = message["type"], message["payload"]
        validators[kind].validate(payload)
        assert payload["message_id"] == number
        for item in payload.get("items", ()):
            if item["type"] == "boxes":
                for box in files[item["file_path"]].splitlines():
                    boxes.validate(json.loads(box))
        yield Told(kind, payload, files, meta)


def name_of(shown: str) -> tuple[str, str]:
    """(phase, name) of a name there."""
    return coded_names.name_of(shown, LONGEST_NAME)
