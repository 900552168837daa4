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
    chosen = read_settings(None, {}, ["decode.folder_rate_hz=30000/1001"])
    assert chosen.decode.folder_rate_hz == Fraction(30000, 1001)


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
        (["export.rate_hz=29.97"], r"export.rate_hz.*use 30 or 60, got 29.97"),
        (["export.rate_hz=0"], "export.rate_hz"),
        (["refine.mode=published", "refine.prior=none"], "refine: .*mode published needs a motion prior"),
    ],
)
def test_a_wrong_setting_is_named(words: list[str], wanted: str) -> None:
    with pytest.raises(SettingsError, match=wanted):
        read_settings(None, {"detect.image_px": 640}, words)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="accurate, crowd, fast"):
        read_settings("quick", {}, [])


def test_off_is_a_word_also_where_yaml_reads_it_as_a_truth_value() -> None:
    assert read_settings(None, {}, ["refine.mode=off"]).refine.mode == "off"


@pytest.mark.parametrize("word", ["decode.folder_rate_hz=0", "decode.folder_rate_hz=1/0", "refine.window_frames=8"])
def test_values_that_nothing_can_be_made_of_are_refused_at_once(word: str) -> None:
    with pytest.raises(SettingsError, match=r"rate|window_frames"):
        read_settings(None, {}, [word])


@pytest.mark.parametrize("name", ["export.rate_hz", "decode.folder_rate_hz"])
def test_a_rate_of_more_than_a_thousand_is_refused(name: str) -> None:
    chosen = read_settings(None, {}, [f"{name}=1000"])
    assert 1000 in (chosen.export.rate_hz, chosen.decode.folder_rate_hz)
    for value in ("1001", "100000", "1e300"):
        with pytest.raises(SettingsError, match=rf"{name}: .*a rate is at most 1000 frames per second.*, got '?1"):
            read_settings(None, {}, [f"{name}={value}"])


def test_a_long_decimal_rate_is_the_one_it_was_cut_from() -> None:
    assert read_settings(None, {}, ["decode.folder_rate_hz=23.976023976023976"]).decode.folder_rate_hz == Fraction(
        24000, 1001
    )


@pytest.mark.parametrize("word", ["refine.pose_sigma_rad=.inf", "link.gap_max_s=inf", "decode.start_s=1e999"])
def test_a_number_without_end_is_refused(word: str) -> None:
    with pytest.raises(SettingsError, match=rf"{word.split('=')[0]}: .*finite"):
        read_settings(None, {}, [word])


@pytest.mark.parametrize(
    ("name", "meant"),
    [("refine.mod", "did you mean refine.mode?"), ("refin.mode", "did you mean refine?"), ("xyz.q", "")],
)
def test_a_mistyped_setting_is_told_what_it_may_have_been(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match="there is no such setting") as caught:
        read_settings(None, {}, [f"{name}=1"])
    assert meant in str(caught.value) and ("did you mean" in str(caught.value)) == bool(meant)


def test_anonymous_people_are_drawn_without_their_video() -> None:
    chosen = read_settings(None, {"privacy.is_anonymous": True}, [])
    assert chosen.overlay.background == "gray" and not chosen.overlay.is_sound_kept
    assert (
        read_settings(None, {"privacy.is_anonymous": True}, ["overlay.background=white"]).overlay.background == "white"
    )
    with pytest.raises(SettingsError, match="shows no video"):
        read_settings(None, {"privacy.is_anonymous": True}, ["overlay.background=video"])
