"""FBX: finding Blender, and what is said where there is none. Blender itself is asked in test_real_readers.py."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from configs.errors import RunError, SettingsError
from pipeline.export import fbx
from pipeline.export.scene import Scene


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    assert fbx.find_blender(sys.executable) == [sys.executable]
    blender = tmp_path / "blender"
    blender.write_text("#!/bin/sh\nexit 0\n")
    blender.chmod(0o755)
    assert fbx.find_blender(str(blender))[:2] == [str(blender), "--background"]


def test_without_blender_the_remedy_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fbx, "find_spec", lambda name: None)
    monkeypatch.setattr(fbx.shutil, "which", lambda name: None)
    with pytest.raises(SettingsError, match=r"fbx is written by Blender, and none was found; give --blender PATH"):
        fbx.find_blender(None)
    with pytest.raises(SettingsError, match="nosuch: no such program; give --blender PATH"):
        fbx.find_blender("nosuch")


@pytest.mark.spawns
def test_a_blender_that_fails_is_told_with_its_last_line(tmp_path: Path, scene: Scene) -> None:
    blender = tmp_path / "blender"
    blender.write_text("#!/bin/sh\necho 'no bpy here' >&2\nexit 1\n")
    blender.chmod(0o755)
    with pytest.raises(RunError, match=r"wrote no FBX .no bpy here.; give --blender PATH"):
        fbx.write(tmp_path / "people.fbx", replace(scene, blender=str(blender)), None)


def test_bones_that_lie_elsewhere_are_refused(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "people.fbx"
    (tmp_path / "people.fbx.json").write_text("{}")
    with pytest.raises(RunError, match="person_001 is missing when read back"):
        fbx.check(path, scene, None)
