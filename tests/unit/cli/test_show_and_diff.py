"""One value as a file; two runs side by side."""

import json
from pathlib import Path

import numpy as np
import pytest

from asynclog.values import Audio, Config, Image, Table
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run
from tests.unit.cli.conftest import Invoke


def other(path: Path, loss: float, **config: object) -> Path:
    writer = StreamWriter(make_run(path))
    writer.event("config", Config(dict(config)), step=0)
    schema = writer.schema(Series("train", "", "loss"))
    writer.rows(schema, [(1.0,), (loss,)])
    writer.footer()
    return writer.run


def test_a_value_is_saved_in_the_file_its_suffix_names(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    target = tmp_path / "recon.png"
    shown = asynclog("show", run, "recon", "--save", target)
    assert shown.exit_code == 0, shown.output
    with pillow.open(target) as picture:
        assert picture.size == (248, 248)
    assert asynclog("show", run, "recon", "--save", target).exit_code == 2, "a file that is there is not replaced"
    assert asynclog("show", run, "recon", "--save", target, "--force").exit_code == 0


def test_a_suffix_that_cannot_be_leaves_no_file_and_names_those_that_can(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    shown = asynclog("show", run, "recon", "--save", tmp_path / "recon.wav")
    assert shown.exit_code == 2
    assert ".png" in shown.output
    assert not (tmp_path / "recon.wav").exists()


def test_a_page_is_titled_with_the_name_and_says_when(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    shown = asynclog("show", run, "recon", "--save", tmp_path / "recon.html")
    assert shown.exit_code == 0, shown.output
    text = (tmp_path / "recon.html").read_text(encoding="utf-8")
    assert "<h1>recon</h1><p>step 10, 2023-" in text
    assert "data:image/png;base64," in text


def test_cat_gives_some_rows_and_show_nested_settings(asynclog: Invoke, tmp_path: Path) -> None:
    writer = StreamWriter(make_run(tmp_path / "run"))
    writer.event("samples", Table.of_rows(["at"], [(at,) for at in range(30)]), step=0)
    writer.event("config", Config({"net": {"width": 64}}), step=0)
    writer.footer()
    assert "… and 20 more rows" in asynclog("cat", writer.run, "samples").stdout
    assert "    net:\n      width: 64" in asynclog("show", writer.run, "config").stdout


def test_the_step_that_was_asked_for_is_shown_else_the_last(asynclog: Invoke, tmp_path: Path) -> None:
    writer = StreamWriter(make_run(tmp_path / "run"))
    for step in range(3):
        writer.event("tone", Audio(np.full(10, step, np.int16), 8000 + step), step=step)
    writer.footer()
    assert "8002 Hz" in asynclog("show", writer.run, "tone").stdout
    assert "8001 Hz" in asynclog("show", writer.run, "tone", "--step", 1).stdout
    missing = asynclog("show", writer.run, "tone", "--step", 9)
    assert missing.exit_code == 2
    assert "0, 1, 2" in missing.output


def test_a_key_that_is_not_there_is_answered_with_near_ones(asynclog: Invoke, run: Path) -> None:
    shown = asynclog("show", run, "reckon")
    assert shown.exit_code == 2
    assert "recon" in shown.output


def test_diff_tells_settings_and_last_values_that_differ(asynclog: Invoke, tmp_path: Path) -> None:
    one = other(tmp_path / "a", 0.5, lr=0.1, net={"width": 64, "depth": 2})
    two = other(tmp_path / "b", 0.25, lr=0.1, net={"width": 128, "depth": 2}, seed=1)
    shown = asynclog("diff", one, two).stdout
    assert any(line.split() == ["net.width", "64", "128"] for line in shown.splitlines())
    assert any(line.split() == ["seed", "–", "1"] for line in shown.splitlines())
    assert "lr" not in shown
    assert any(line.split() == ["loss", "train", "0.5", "0.25", "-0.25", "-50.0%"] for line in shown.splitlines())
    told = json.loads(asynclog("diff", one, two, "--json").stdout)
    assert told["metrics"] == [
        {"phase": "train", "namespace": "", "key": "loss", "before": 0.5, "after": 0.25, "change": -0.25}
    ]


def test_a_run_does_not_differ_from_itself(asynclog: Invoke, tmp_path: Path) -> None:
    run = other(tmp_path / "a", 0.5, lr=0.1)
    shown = asynclog("diff", run, run).stdout
    assert "the same settings" in shown
    assert "the same last values" in shown
    assert "loss" in asynclog("diff", run, run, "--all").stdout


def test_keys_complete_on_the_command_line(run: Path) -> None:
    from types import SimpleNamespace

    from asynclog.cli.complete import keys_of

    assert keys_of(SimpleNamespace(params={"run": run}), "re") == ["recon"]  # type: ignore[arg-type]
    assert keys_of(SimpleNamespace(params={"run": run / "nowhere"}), "") == []  # type: ignore[arg-type]


def test_an_image_in_the_run_is_what_was_logged(run: Path) -> None:
    import asynclog as al

    (event,) = al.read(run).events(kind="image")
    assert event.value == Image(np.full((3, 8, 8), 200, np.uint8))
