"""Backgrounds: which belong to which split."""

from pathlib import Path

import pytest

from configs.errors import InputError
from dpmesh.training.render.backgrounds import list_backgrounds, place_of


def test_a_place_is_in_one_split_only_and_an_empty_split_says_so(tmp_path: Path) -> None:
    for place in range(30):
        for angle in ("y000p00", "y045p00"):
            (tmp_path / f"hdri_place{place}_{angle}.jpg").write_bytes(b"")
    train, val = list_backgrounds(tmp_path, "train"), list_backgrounds(tmp_path, "val")
    assert len(train) + len(val) == 60
    assert not {place_of(p) for p in train} & {place_of(p) for p in val}
    with pytest.raises(InputError, match="no background picture"):
        list_backgrounds(tmp_path / "nowhere", "train")
