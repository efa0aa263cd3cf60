from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynclog.config import load
from asynclog.config.files import merged
from asynclog.errors import InvalidConfiguration


def written(directory: Path, **files: str) -> Path:
    """YAML files by their stem; the last one's path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory
    for stem, text in files.items():
        path = directory / f"{stem}.yaml"
        path.write_text(text)
    return path


def test_a_file_lies_over_the_one_it_inherits_from_at_every_depth(tmp_path: Path) -> None:
    top = written(
        tmp_path,
        oldest="a: {x: 1, deep: {y: 2}}\nlist: [1, 2]\nkept: true",
        older="base_config: oldest.yaml\na: {deep: {z: 3}}",
        own="base_config: older.yaml\na: {x: 9}\nlist: [3]",
    )
    assert load(top) == {"a": {"x": 9, "deep": {"y": 2, "z": 3}}, "list": [3], "kept": True}


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+1e-3", "0.1e-2", ".1e-2", "10e-4"])
def test_a_number_with_an_exponent_is_a_number_with_and_without_a_point(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, own=f"lr: {text}")) == {"lr": 0.001}


@pytest.mark.parametrize("text", ["e-3", "1e", "1e-3x", "1e-3e", "'1e-3'", "1-e3"])
def test_what_only_looks_like_one_is_text(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, own=f"name: {text}")) == {"name": text.strip("'")}


def test_a_base_is_looked_for_beside_the_file_that_names_it(tmp_path: Path) -> None:
    written(tmp_path / "shared" / "more", deepest="found: 1")
    written(tmp_path / "shared", base="base_config: more/deepest.yaml")
    top = written(tmp_path / "experiments", own="base_config: ../shared/base.yaml\nown: 2")
    assert load(top) == {"found": 1, "own": 2}


def test_loggers_of_a_base_are_files_beside_the_base(tmp_path: Path) -> None:
    written(tmp_path / "shared", base="logging: {logger_modules: [own.py, package.module, /absolute.py]}")
    top = written(tmp_path, own="base_config: shared/base.yaml")
    expected = [str(tmp_path / "shared" / "own.py"), "package.module", "/absolute.py"]
    assert load(top)["logging"]["logger_modules"] == expected


def test_a_file_that_inherits_from_itself_is_refused_with_the_chain(tmp_path: Path) -> None:
    top = written(tmp_path, a="base_config: b.yaml", b="base_config: c.yaml", c="base_config: a.yaml")
    with pytest.raises(InvalidConfiguration, match=r"c\.yaml → a\.yaml → b\.yaml → c\.yaml inherits from itself"):
        load(top)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "expected a mapping, got list"),
        ("", "expected a mapping, got NoneType"),
        ("a: [", "is no YAML"),
        ("a: !!python/object:os.system x", "is no YAML"),
        ("base_config: 3", "expected the path of a YAML file"),
        # Each raises something else in PyYAML, or in pathlib.
        ("a: 2020-13-45", "is no YAML: month must be in 1..12"),
        ("a: " + "9" * 5000, "is no YAML: Exceeds the limit"),
        ("a: !!timestamp abc", "is no YAML"),
        ("a: !!int abc", "is no YAML"),
        ("[" * 5000, "is no YAML: maximum recursion depth"),
        ('base_config: "a\\0b"', "own.yaml inherits from: embedded null"),
        ('base_config: "\\ud800"', "own.yaml inherits from: .* surrogates"),
        ("base_config: own.link", "own.link"),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.link").symlink_to("own.link")
    with pytest.raises(InvalidConfiguration, match=said):
        load(written(tmp_path, own=text))


ALIASES = "a0: &a0 {x: 1, y: 2}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 40))


@pytest.mark.parametrize("text", ["a: &a {b: *a}", "a: &a [*a]", ALIASES, ALIASES + "logging: {logger_modules: *a39}"])
def test_aliases_without_an_end_are_refused(tmp_path: Path, text: str) -> None:
    """Whoever merges such a mapping, prints it or records it would never be done."""
    with pytest.raises(InvalidConfiguration, match=r"own\.yaml: more than 1,000,000 values"):
        load(written(tmp_path, own=text))


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    assert load(written(tmp_path, own="a: &a {x: [1]}\nb: *a\nc: [*a, *a]"))["c"] == [{"x": [1]}] * 2


def test_a_missing_base_is_told_with_who_asked_for_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"gone\.yaml, which .*own\.yaml inherits from: No such file"):
        load(written(tmp_path, own="base_config: gone.yaml"))


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"gone\.yaml: No such file"):
        load(tmp_path / "gone.yaml")


mappings = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
).filter(lambda one: isinstance(one, dict))


@given(mappings, mappings, mappings)
def test_merging_is_a_stack_of_layers(bottom: dict[str, object], middle: dict[str, object], top: dict[str, object]) -> None:
    """Over nothing a layer is itself, over itself it changes nothing, and the upper one decides."""
    assert merged({}, top) == merged(top, {}) == merged(top, top) == top
    whole = merged(bottom, top)
    assert whole.keys() == bottom.keys() | top.keys()
    assert all(whole[key] == value for key, value in top.items() if not isinstance(value, dict))
