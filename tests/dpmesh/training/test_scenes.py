"""Detector pictures and their labels agree; generated folders survive a kill."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.errors import InputError, RunError
from dpmesh.body import load_body
from dpmesh.training.make_detector_images import label_lines, size_of_batch, write_picture
from dpmesh.training.render.backgrounds import list_backgrounds, place_of
from dpmesh.training.scenes import Labelled, make_scenes
from dpmesh.training.shards import claim_folder, digest, fill, write_whole
from dpmesh.training.troupe import Studio


class _Poses:
    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        return rng.normal(0, 0.15, (count, 24, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    path: Path = tmp_path_factory.mktemp("backgrounds") / "a.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8))
    return make_scenes(Studio(load_body(device="cpu"), _Poses(), [path], "train"), 2, np.arange(10), 160, 120)


def test_pictures_hold_from_nobody_to_several_people(scenes: list[Labelled]) -> None:
    counts = [len(scene.boxes_xyxy) for scene in scenes]
    assert min(counts) <= 1
    assert max(counts) >= 3
    assert all(scene.image.shape == (120, 160, 3) for scene in scenes)


def test_boxes_lie_in_the_picture_and_visible_joints_lie_near_their_box(scenes: list[Labelled]) -> None:
    checked = 0
    for scene in scenes:
        for box, keypoints in zip(scene.boxes_xyxy, scene.keypoints, strict=True):
            assert (box >= 0).all()
            assert (box <= [160, 120, 160, 120]).all()
            slack = 0.12 * (box[2:] - box[:2]).max() + 3
            seen = keypoints[keypoints[:, 2] == 2, :2]
            assert ((seen > box[:2] - slack) & (seen < box[2:] + slack)).all()
            checked += len(seen)
    assert checked > 40


def test_a_label_line_names_the_box_and_17_points_as_shares_of_the_picture(scenes: list[Labelled]) -> None:
    scene = max(scenes, key=lambda s: len(s.boxes_xyxy))
    lines = label_lines(scene).splitlines()
    assert len(lines) == len(scene.boxes_xyxy)
    numbers = np.array(lines[0].split(), float)
    assert len(numbers) == 5 + 17 * 3
    x1, y1, x2, y2 = scene.boxes_xyxy[0]
    np.testing.assert_allclose(
        numbers[1:5] * [160, 120, 160, 120], [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], atol=0.01
    )
    np.testing.assert_allclose(numbers[5::3] * 160, scene.keypoints[0, :, 0], atol=0.01)
    assert ((numbers[1:] >= 0) | (numbers[1:] == 2)).all()


def test_a_written_picture_has_its_label_and_empty_scenes_an_empty_one(tmp_path: Path, scenes: list[Labelled]) -> None:
    empty = Labelled(scenes[0].image, np.zeros((0, 4), np.float32), np.zeros((0, 17, 3), np.float32))
    write_picture(empty, tmp_path / "a.jpg", tmp_path / "a.txt", 90)
    assert (tmp_path / "a.txt").read_text() == ""
    assert cv2.imread(str(tmp_path / "a.jpg")).shape == (120, 160, 3)
    assert {p.name for p in tmp_path.iterdir()} == {"a.jpg", "a.txt"}


def test_the_longer_side_of_a_batch_is_as_asked() -> None:
    sizes = {size_of_batch(1, batch, 320) for batch in range(40)}
    assert len(sizes) > 2
    assert all(max(size) == 320 for size in sizes)
    assert all(side % 2 == 0 for size in sizes for side in size)


def test_a_failed_write_leaves_neither_file_nor_draft(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        draft.write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_whole(tmp_path / "x.npz", fail)
    assert list(tmp_path.iterdir()) == []


def test_only_missing_shards_are_made(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}" for k in range(4)]
    paths[1].write_text("old")
    made: list[int] = []

    def make(k: int) -> None:
        made.append(k)
        paths[k].write_text("new")

    fill(paths, make, "test")
    assert made == [0, 2, 3]
    assert paths[1].read_text() == "old"


def test_a_folder_of_other_settings_is_refused_by_name_of_the_setting(tmp_path: Path) -> None:
    claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})
    claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})
    with pytest.raises(RunError, match="another seed"):
        claim_folder(tmp_path / "a", {"seed": 2, "split": "train"})


def test_a_place_is_in_one_split_only_and_an_empty_split_says_so(tmp_path: Path) -> None:
    for place in range(30):
        for angle in ("y000p00", "y045p00"):
            (tmp_path / f"hdri_place{place}_{angle}.jpg").write_bytes(b"")
    train, val = list_backgrounds(tmp_path, "train"), list_backgrounds(tmp_path, "val")
    assert len(train) + len(val) == 60
    assert not {place_of(p) for p in train} & {place_of(p) for p in val}
    with pytest.raises(InputError, match="no background picture"):
        list_backgrounds(tmp_path / "nowhere", "train")


def test_another_body_or_pose_bank_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    array = np.arange(4)
    names = {digest(tmp_path / "a"), digest(tmp_path / "b"), digest(array), digest(tmp_path / "a", array)}
    assert len(names) == 4
    assert digest(array[::-1][::-1]) == digest(array)
