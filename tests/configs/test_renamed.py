import logging
from pathlib import Path

import pytest

from configs import renamed
from configs.read import read_settings
from configs.renamed import RENAMED, rename_settings
from configs.schema import RunSettings


@pytest.fixture(autouse=True)
def _no_warning_given_yet() -> None:
    renamed._warn.cache_clear()


def test_every_renamed_setting_exists_under_its_new_name_alone() -> None:
    known = {f"{section}.{key}" for section, part in RunSettings().model_dump().items() for key in part}
    assert set(RENAMED.values()) <= known
    assert not known & RENAMED.keys()


@pytest.mark.parametrize("words", ["refine.keypoint_trust_m=0.09", "refine={keypoint_trust_m: 0.09}"])
def test_an_assignment_by_the_previous_name_is_read_with_one_warning(
    words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        chosen = [read_settings(None, {}, [words]) for _ in range(2)]
    assert [each.refine.keypoint_sigma_m for each in chosen] == [0.09, 0.09]
    assert [record.getMessage() for record in caplog.records] == [
        "setting refine.keypoint_trust_m is now called refine.keypoint_sigma_m; "
        "the next version no longer reads the old name"
    ]


def test_what_comes_later_wins_under_either_name(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("refine: {is_gated: false, pose_sigma_rad: 0.3}\n")
    chosen = read_settings(str(preset), {"refine.pose_trust_rad": 0.4}, ["refine.is_acceptance_test_on=true"])
    assert (chosen.refine.pose_sigma_rad, chosen.refine.is_acceptance_test_on) == (0.4, True)


def test_what_is_no_section_stays() -> None:
    tree = {"refine": 3, "detect": {"image_px": 640}}
    rename_settings(tree)
    assert tree == {"refine": 3, "detect": {"image_px": 640}}
