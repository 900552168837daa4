from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from configs.errors import SettingsError
from configs.output_schema import ExportSettings
from configs.setting_values import ExportFormat, read_formats, read_rate
from pipeline.export import fbx
from pipeline.export.formats import MODULES, check_formats, load_format


def test_settings_and_table_name_the_same_formats() -> None:
    assert tuple(MODULES) == get_args(ExportFormat)
    assert [load_format(name).name for name in MODULES] == list(MODULES)


def test_names_are_read_once_each_in_the_order_of_the_table() -> None:
    assert read_formats("GLB, bvh,glb") == ("bvh", "glb")
    assert read_formats("all") == tuple(MODULES)
    assert ExportSettings.model_validate({"formats": "glb"}).formats == ("glb",)
    assert ExportSettings.model_validate({"formats": ["glb"]}).formats == ("glb",)
    for wrong in ("", "glb,obj"):
        with pytest.raises(ValidationError, match="choose from bvh, glb"):
            ExportSettings.model_validate({"formats": wrong})


def test_what_this_machine_cannot_write_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check_formats([name for name in MODULES if name != "fbx"])
    monkeypatch.setattr(fbx, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="fbx is written by Blender, and none was found"):
        check_formats(["csv", "fbx"])


@pytest.mark.parametrize(("text", "rate"), [("60", 60.0), ("29.97", 29.97), ("30000/1001", 30000 / 1001)])
def test_rates_are_numbers_and_fractions(text: str, rate: float) -> None:
    assert float(read_rate(text)) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["0", "fast", "1e9", "-1"])
def test_what_is_no_rate_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        read_rate(text)
