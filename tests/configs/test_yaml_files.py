"""YAML that is damaged or made to be large: one line, and soon."""

import os
from pathlib import Path

import pytest

from configs.errors import SettingsError
from configs.read import read_settings
from configs.yaml_files import parse_yaml, read_yaml

LAUGH = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 10)
)
WRONG = {
    "aliases": (LAUGH, "is an alias"),
    "a merge": ("a: &a {b: 1}\nc:\n  <<: *a\n", "is an alias"),
    "a list too deep": ("[" * 10_000, "nested deeper than 32"),
    "a mapping too deep": ("{a: " * 5_000, "nested deeper than 32"),
    "blocks too deep": ("- " * 5_000 + "x", "nested deeper than 32"),
    "a long integer": ("a: " + "9" * 6_000, "more than 18 digits"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", "'a' is there twice.*line 3"),
    "an inner key twice": ("a:\n  b: 1\n  b: 1\n", "'b' is there twice"),
    "a list as key": ("? [1, 2]\n: 3\n", "a key is no plain word"),
    "a class": ("!!python/object/apply:os.system ['true']\n", "is a tag"),
    "binary": ("a: !!binary aGVsbG8=\n", "is a tag"),
    "a tag without a value": ("!!int ''", "is a tag"),
    "month 13": ("a: 2001-13-41\n", "month must be in"),
    "a tab": ("a:\n\tb: 1\n", "line 2"),
    "a NUL": ("a: \0", "special characters"),
    "two documents": ("a: 1\n---\nb: 2\n", "another document"),
    "an open bracket": ("a: [1, 2", "line 1"),
    "a value sign": ("=", "not YAML"),
    "a megabyte": ("a: 1\n" * 200_000, "settings at most"),
}


@pytest.mark.parametrize("name", WRONG)
def test_text_that_is_no_plain_yaml_is_refused_in_one_line(name: str) -> None:
    text, message = WRONG[name]
    with pytest.raises(SettingsError, match=message) as caught:
        parse_yaml(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert len(str(caught.value)) < 300 and str(caught.value).isprintable()


def test_plain_settings_are_read(tmp_path: Path) -> None:
    text = "\ufeffdetect: {image_px: 960}\nrefine:\n  mode: off # no\nx: [1, -2.5, ~]\n"
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == {
        "detect": {"image_px": 960}, "refine": {"mode": False}, "x": [1, -2.5, None],
    }  # fmt: skip


def test_a_preset_that_is_no_text_no_file_or_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b'detect: {weights: "\xe9"}\n')
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name, message in [
        ("latin", "not YAML in UTF-8.*byte 19"), ("pipe", "not a regular file"), ("folder", "not a regular file"),
        ("none", "cannot be read"),
    ]:  # fmt: skip
        with pytest.raises(SettingsError, match=message):
            read_settings(str(tmp_path / f"{name}.yaml"), {}, [])


@pytest.mark.parametrize(
    "word",
    ["detect=" + LAUGH, "detect.image_px=[" + "1," * 50_000 + "]", "detect.weights={" + "a: 1, " * 500 + "}",
     "detect.image_px=" + "x" * 100_000, "detect." + "y" * 100_000 + "=1", "z" * 100_000, "detect.image_px=\x1b[2J",
     "export.rate_hz=1e99999999", "decode.folder_rate_hz=" + "1" * 18, "detect.weights=\"a\\0b\""],
)  # fmt: skip
def test_an_assignment_is_never_printed_whole(word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(None, {}, [word])
    assert len(str(caught.value)) < 400 and str(caught.value).isprintable()


def test_of_a_thousand_wrong_settings_a_few_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("".join(f"s{k}: {k}\n" for k in range(1000)))
    with pytest.raises(SettingsError, match="and 995 more") as caught:
        read_settings(str(tmp_path / "a.yaml"), {}, [])
    assert len(str(caught.value)) < 1000
