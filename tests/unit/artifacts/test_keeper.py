"""The making of a version: from copies to a number, whatever else happens to the files meanwhile."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asynclog.artifacts.asked import Asked, Place
from asynclog.artifacts.copying import GivenUp, copy_file
from asynclog.artifacts.keeper import Keeper
from asynclog.artifacts.layout import content_path
from asynclog.artifacts.settings import Artifacts
from asynclog.artifacts.stored import all_artifacts, digest_of, one_artifact
from asynclog.errors import ArtifactNotFound, DamagedArtifact, InvalidValue

HERE = Place(0, "train", 1)


def never() -> bool:
    return False


def keeper(run: Path, writer: str = "main", settings: Artifacts | None = None) -> Keeper:
    return Keeper(run, writer, 0, settings or Artifacts(), durable=False, delivered=lambda kept: True)


def asked(path: Path, *, overwrite: bool = False) -> Asked:
    return Asked(str(path), overwrite, {})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"0" * (3 << 20))
    return path


def test_a_file_that_changes_all_the_while_is_refused(tmp_path: Path, source: Path) -> None:
    """After three tries; the copy is gone."""

    def changes() -> bool:
        source.write_bytes(source.read_bytes() + b"1")
        return False

    with pytest.raises(InvalidValue, match="which changed while it was copied, 3 times"):
        copy_file(str(source), str(tmp_path / "copy"), changes, durable=False)
    assert not (tmp_path / "copy").exists()


def test_a_file_that_changes_once_is_copied_as_it_is_then(tmp_path: Path, source: Path) -> None:
    changes = iter([b"2" * (2 << 20)])

    def changes_once() -> bool:
        for content in changes:
            source.write_bytes(content)
        return False

    copied = copy_file(str(source), str(tmp_path / "copy"), changes_once, durable=True)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes() == b"2" * (2 << 20)
    assert copied.digest == digest_of(source)


def test_files_that_are_alike_and_others_of_any_length_are_kept_as_they_are(tmp_path: Path) -> None:
    """Each copy is made over the last one, if that was one of many that are alike."""
    source = tmp_path / "source"
    source.mkdir()
    for number, content in enumerate([b"long" * 1000, b"long" * 1000, b"short", b"", b"short", b"end"]):
        (source / str(number)).write_bytes(content)
    keeper(tmp_path / "run").keep("model", asked(source), HERE, never)
    copy = one_artifact(tmp_path / "run", "model").download(tmp_path / "back")
    assert [(copy / one.name).read_bytes() for one in sorted(source.iterdir())] == [
        one.read_bytes() for one in sorted(source.iterdir())
    ]


def test_a_copy_that_nobody_waits_for_is_given_up(tmp_path: Path, source: Path) -> None:
    with pytest.raises(GivenUp):
        copy_file(str(source), str(tmp_path / "copy"), lambda: True, durable=False)
    assert not (tmp_path / "copy").exists()


def test_writers_that_race_for_a_name_get_it_once(tmp_path: Path) -> None:
    """Of eight writers at once one makes version 0, and the others are told; with overwrite= each makes a version."""
    start = threading.Barrier(8)

    def race(number: int, name: str, overwrite: bool) -> bool:
        path = tmp_path / f"{name}{number}"
        path.write_text(f"{name} of {number}")
        start.wait()
        try:
            keeper(tmp_path / "run", f"w{number}").keep(name, asked(path, overwrite=overwrite), HERE, never)
        except InvalidValue as error:
            return "a name that is free" not in str(error)
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda number: race(number, "guarded", False), range(8))) == 1
        assert sum(threads.map(lambda number: race(number, "free", True), range(8))) == 8
    kept = all_artifacts(tmp_path / "run")
    assert [one.version for one in kept] == [*range(8), 0]
    assert len({one.digest for one in kept}) == 9


def test_no_room_on_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the length of files stands for the disk's."""
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.unit.artifacts.test_keeper import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "run, source = map(Path, sys.argv[1:])\n"
        "try: keeper(run).keep('model', asked(source), HERE, never)\n"
        "except InvalidValue as error: print(error)\n"
    )
    source = tmp_path / "source"
    source.write_bytes(b"0" * (3 << 20))
    command = [sys.executable, "-c", script, str(tmp_path / "run"), str(source)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert told.stdout == "artifact: expected a file or directory that can be copied, got File too large\n"
    assert all_artifacts(tmp_path / "run") == []
    assert [one for one in (tmp_path / "run").rglob("*") if one.is_file()] == []


def test_what_an_earlier_life_left_is_cleared_away(tmp_path: Path, source: Path) -> None:
    """Copies, and content that was put in its place before its version was; what is referred to stays."""
    run = tmp_path / "run"
    first = keeper(run)
    kept = first.keep("model", asked(source), HERE, never)
    home = run / "artifacts"
    orphan = content_path(home, "ab" * 32)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"of nobody")
    left = home / "staging" / "main" / "123-0"
    left.mkdir()
    (left / "0").write_bytes(b"half")
    keeper(run, "other").sweep()
    assert left.exists()
    assert orphan.exists(), "swept by a writer that left nothing: another may be at work"
    keeper(run).sweep()
    assert not left.exists()
    assert not orphan.exists()
    assert one_artifact(run, "model").path.read_bytes() == source.read_bytes()
    assert kept.version == 0


def test_a_version_is_found_and_its_absence_told(tmp_path: Path, source: Path) -> None:
    keeper(tmp_path).keep("checkpoints/best.pt", asked(source), HERE, never)
    with pytest.raises(ArtifactNotFound, match=r"the nearest is 'checkpoints/best.pt'"):
        one_artifact(tmp_path, "checkpoint/best.pt")
    with pytest.raises(ArtifactNotFound, match=r"no version 3 .* but 0"):
        one_artifact(tmp_path, "checkpoints/best.pt", 3)
    with pytest.raises(ArtifactNotFound):
        one_artifact(tmp_path, "../../etc")


def test_bytes_that_changed_are_not_given_out(tmp_path: Path, source: Path) -> None:
    keeper(tmp_path / "run").keep("model", asked(source), HERE, never)
    stored = one_artifact(tmp_path / "run", "model")
    content = stored.path
    content.write_bytes(b"1" + content.read_bytes()[1:])
    with pytest.raises(DamagedArtifact, match="not what was recorded"):
        stored.download(tmp_path / "back")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith((".", "back"))] == []
    content.unlink()
    with pytest.raises(DamagedArtifact, match="are gone"):
        stored.download(tmp_path / "back")


def test_a_download_replaces_nothing(tmp_path: Path, source: Path) -> None:
    keeper(tmp_path / "run").keep("a/model", asked(source), HERE, never)
    stored = one_artifact(tmp_path / "run", "a/model")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(FileExistsError):
        stored.download(tmp_path / "taken")
    (tmp_path / "folder").mkdir()
    assert stored.download(tmp_path / "folder") == tmp_path / "folder" / "model"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": "../x", "digest": "00"}', '{"name": 1}', "[" * 100_000])
def test_a_version_that_is_none_is_damage(tmp_path: Path, source: Path, content: str) -> None:
    keeper(tmp_path).keep("model", asked(source), HERE, never)
    (path,) = (tmp_path / "artifacts" / "versions").rglob("*.json")
    path.write_text(content)
    with pytest.raises(DamagedArtifact):
        one_artifact(tmp_path, "model")


def test_a_listing_that_leads_out_is_damage(tmp_path: Path) -> None:
    """What a run holds isn't trusted: a path in a directory's listing could be anything."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "inner").write_text("x")
    keeper(tmp_path).keep("model", asked(source), HERE, never)
    stored = one_artifact(tmp_path, "model")
    path = stored.content(stored.digest)
    path.write_bytes(path.read_bytes().replace(b"inner", b"../out"))
    digest = digest_of(path)
    moved = content_path(tmp_path / "artifacts", digest)
    moved.parent.mkdir(exist_ok=True)
    path.rename(moved)
    (version,) = (tmp_path / "artifacts" / "versions").rglob("*.json")
    version.write_text(version.read_text().replace(stored.digest, digest))
    with pytest.raises(DamagedArtifact, match="no path below a directory"):
        one_artifact(tmp_path, "model").download(tmp_path / "back")
    assert not (tmp_path / "out").exists()
