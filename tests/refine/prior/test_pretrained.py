"""Folders of score models whose config is nonsense: one line, and no memory."""

import json
from pathlib import Path

import pytest

from configs.errors import WeightsError
from refine.prior.network import MotionPrior
from refine.prior.pretrained import check_config

GOOD = {"_class_name": "MotionPrior", "heads": 2, "layers": 1, "reach": 1, "width": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prior")
    MotionPrior(width=16, layers=1, heads=2, reach=1).save_pretrained(path)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(GOOD | {"width": -4}), "width is -4, expected a whole number"),
        (json.dumps(GOOD | {"width": 4_000_000}), "width is 4000000, expected"),
        (json.dumps(GOOD | {"width": 60_000}), "describes a larger network than its weights"),
        (json.dumps(GOOD | {"layers": 200}), "lacks|larger network"),
        (json.dumps(GOOD | {"heads": 0}), "heads is 0"),
        (json.dumps(GOOD | {"heads": 3}), "not a multiple of heads"),
        (json.dumps(GOOD | {"reach": 2.5}), "reach is 2.5"),
        (json.dumps(GOOD | {"wings": 2}), "wings"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "holds no score model"),
        ('{"width": 1' + "0" * 5000 + "}", "more than 18 digits"),
        ("", "not readable as JSON"),
    ],
)
def test_a_config_that_is_nonsense_is_refused_in_one_line(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=message) as caught:
        MotionPrior.from_pretrained(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("text", ["", "[]", json.dumps(GOOD | {"width": 4_000_000})])
def test_a_config_of_no_network_is_refused_without_its_weights(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WeightsError, match="holds no score model"):
        check_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(GOOD))
    check_config(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prior").write_text("")
    with pytest.raises(WeightsError, match="holds no score model"):
        MotionPrior.from_pretrained(tmp_path / "prior")
