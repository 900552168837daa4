"""Presets and assignments, made bad: the contract of `fuzz_contract` is kept, and a wrong setting is exit code 2."""

import json
from typing import Any

import pytest
import yaml
from fuzz_contract import Keeps, fuzzed
from hypothesis import given
from hypothesis import strategies as st
from mutations import bad_bytes, bad_json

from configs.schema import RunSettings

pytestmark = pytest.mark.slow
ODD_VALUES = [
    "",
    "null",
    "[]",
    "{}",
    "&a [*a]",
    "1e999",
    ".nan",
    "9" * 5000,
    "[" * 2000,
    "!!python/x y",
    "-1",
    "0x" + "f" * 3000,
]


def test_presets(keeps: Keeps) -> None:
    tree: Any = RunSettings().model_dump(mode="json")

    @fuzzed
    @given(bad_json(tree), st.booleans())
    def check(data: bytes, is_yaml: bool) -> None:
        if is_yaml:
            try:
                data = yaml.safe_dump(json.loads(data.decode("utf-8"))).encode()
            except (ValueError, yaml.YAMLError, RecursionError):
                return
        assert keeps({"mine.yaml": data}, ["run", "--settings", "--preset", "mine.yaml"]).code in (0, 2)

    check()


def test_yaml_texts(keeps: Keeps) -> None:
    lines = ["preset: &a {x: 1}", "refine:", "  <<: *a", "link: {frames_min: 3, date: 2020-01-01, b: !!binary aGk=}"]

    @fuzzed
    @given(bad_bytes("\n".join(lines).encode()))
    def check(data: bytes) -> None:
        assert keeps({"mine.yaml": data}, ["run", "--settings", "--preset", "mine.yaml"]).code in (0, 2)

    check()


def test_assignments(keeps: Keeps) -> None:
    names = [f"{section}.{key}" for section, keys in RunSettings().model_dump().items() for key in keys]
    values = st.one_of(st.sampled_from(ODD_VALUES), st.text(max_size=30).filter(lambda text: "\x00" not in text))

    @fuzzed
    @given(st.sampled_from(names), values)
    def check(name: str, value: str) -> None:
        text = f"{name}={value}".encode("utf-8", "replace").decode()
        assert keeps({}, ["run", "--settings", "--set", text]).code in (0, 2)

    check()
