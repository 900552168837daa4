from fractions import Fraction
from pathlib import Path

import pytest

from configs.errors import SettingsError
from configs.read import preset_names, read_settings
from configs.schema import RunSettings


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid(name: str) -> None:
    assert isinstance(read_settings(name, {}, []), RunSettings)


def test_an_assignment_wins_over_an_option_and_an_option_over_a_preset(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("detect: {image_px: 320, batch_frames: 2}\n")
    chosen = read_settings(str(preset), {"detect.image_px": 480, "detect.weights": None}, ["detect.image_px=960"])
    assert (chosen.detect.image_px, chosen.detect.batch_frames) == (960, 2)
    assert chosen.detect.weights == RunSettings().detect.weights


def test_a_rate_is_kept_as_a_fraction() -> None:
    assert read_settings(None, {}, ["export.rate_hz=30000/1001"]).export.rate_hz == Fraction(30000, 1001)


def test_settings_survive_their_own_dump() -> None:
    chosen = read_settings("accurate", {}, ["export.rate_hz=null"])
    assert RunSettings.model_validate(chosen.model_dump(mode="json")) == chosen


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["detect.imagepx=3"], "detect.imagepx"),
        (["detect.image_px=abc"], "detect.image_px"),
        (["detect.image_px"], "has no '='"),
        (["detect.image_px.x=3"], "not a section"),
        (["nothing.at_all=3"], "nothing"),
    ],
)
def test_a_wrong_setting_is_named(words: list[str], wanted: str) -> None:
    with pytest.raises(SettingsError, match=wanted):
        read_settings(None, {"detect.image_px": 640}, words)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="accurate, fast"):
        read_settings("quick", {}, [])
