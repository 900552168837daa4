"""Detector pictures and their labels agree; generated folders survive a kill."""

from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from configs.checks import check_shape
from configs.errors import InputError, RunError
from dpmesh.training.commands.make_detector_images import label_lines, write_images
from dpmesh.training.engine.rng import Rng
from dpmesh.training.engine.shards import claim_folder, digest, fill, read_arrays, write_arrays, write_whole
from dpmesh.training.people.population import Studio
from dpmesh.training.people.scenes import Scenes, make_scenes, sample_size
from dpmesh.training.render.backgrounds import list_backgrounds, place_of

WIDTH, HEIGHT = 160, 128


@dataclass(frozen=True, slots=True)
class Loose:
    values: np.ndarray


@dataclass(frozen=True, slots=True)
class Numbers:
    values: np.ndarray  # (N,)

    def __post_init__(self) -> None:
        check_shape("values", self.values, ("N",))


@pytest.fixture(scope="module")
def scenes(studio: Studio) -> Scenes:
    return make_scenes(studio, Rng((2, 0)), 10, WIDTH, HEIGHT)


def test_pictures_hold_from_nobody_to_several_people(scenes: Scenes) -> None:
    counts = torch.bincount(scenes.image_index, minlength=10)
    assert counts.min() <= 1
    assert counts.max() >= 3
    assert scenes.image.shape == (10, 3, HEIGHT, WIDTH)
    assert (scenes.image_index.diff() >= 0).all()


def test_equal_chances_give_equal_pictures_and_other_chances_others(studio: Studio) -> None:
    first, again, other = (make_scenes(studio, Rng((9, k)), 2, 64, 64) for k in (0, 0, 1))
    assert all(torch.equal(getattr(first, field.name), getattr(again, field.name)) for field in fields(Scenes))
    assert not torch.equal(first.image, other.image)


def test_a_batch_asked_for_many_people_is_crowded(studio: Studio, scenes: Scenes) -> None:
    crowded = make_scenes(studio, Rng((2, 1)), 3, WIDTH, HEIGHT, people_min=7)
    counts = torch.bincount(crowded.image_index, minlength=3)
    assert counts.min() >= 2
    assert counts.float().mean() > len(scenes.image_index) / 10


def test_boxes_lie_in_the_picture_and_visible_joints_lie_near_their_box(scenes: Scenes) -> None:
    low, high = scenes.boxes_xyxy[:, None, :2], scenes.boxes_xyxy[:, None, 2:]
    assert (low >= 0).all() and (high <= torch.tensor([WIDTH, HEIGHT])).all()
    assert (high - low >= 7).all()
    slack = 0.12 * (high - low).amax(-1, keepdim=True) + 3
    points, seen = scenes.keypoints[..., :2], scenes.keypoints[..., 2] == 2
    near = ((points > low - slack) & (points < high + slack)).all(-1)
    assert near[seen].all()
    assert seen.sum() > 40


def test_a_box_reaches_as_far_as_the_joints_of_who_is_seen_whole(scenes: Scenes) -> None:
    whole = (scenes.keypoints[..., 2] > 0).all(1)
    assert whole.sum() >= 3
    points, boxes = scenes.keypoints[whole, :, :2], scenes.boxes_xyxy[whole]
    tall = (points[..., 1].amax(1) - points[..., 1].amin(1)) / (boxes[:, 3] - boxes[:, 1])
    assert (tall > 0.6).all() and (tall < 1.05).all()


def test_a_keypoint_is_unlabelled_and_zero_or_lies_in_the_picture(scenes: Scenes) -> None:
    points, marks = scenes.keypoints[..., :2], scenes.keypoints[..., 2]
    assert set(marks.unique().tolist()) == {0.0, 1.0, 2.0}
    assert (points[marks == 0] == 0).all()
    labelled = points[marks > 0]
    assert ((labelled >= 0) & (labelled < torch.tensor([WIDTH, HEIGHT]))).all()


def test_a_label_line_names_the_box_and_17_points_as_shares_of_the_picture(scenes: Scenes) -> None:
    boxes, keypoints = scenes.boxes_xyxy.numpy(), scenes.keypoints.numpy()
    lines = label_lines(boxes, keypoints, WIDTH, HEIGHT).splitlines()
    assert len(lines) == len(boxes)
    numbers = np.array(lines[0].split(), float)
    assert len(numbers) == 5 + 17 * 3
    x1, y1, x2, y2 = boxes[0]
    found = numbers[1:5] * [WIDTH, HEIGHT, WIDTH, HEIGHT]
    np.testing.assert_allclose(found, [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], atol=0.01)
    np.testing.assert_allclose(numbers[5::3] * WIDTH, keypoints[0, :, 0], atol=0.01)
    assert numbers[7::3].tolist() == keypoints[0, :, 2].tolist()
    assert ((numbers[1:] >= 0) & ((numbers[1:] <= 1) | (numbers[1:] == 2))).all()


def test_a_written_picture_has_its_label_and_empty_scenes_an_empty_one(tmp_path: Path, scenes: Scenes) -> None:
    some = scenes.image_index == int(scenes.image_index[0])
    columns = scenes.boxes_xyxy[some], scenes.keypoints[some]
    two = Scenes(scenes.image[:2], torch.ones(len(columns[0]), dtype=torch.int64), *columns)
    write_images(two, tmp_path, tmp_path, 16, 95)
    assert {p.name for p in tmp_path.iterdir()} == {"000016.jpg", "000016.txt", "000017.jpg", "000017.txt"}
    assert (tmp_path / "000016.txt").read_text() == ""
    assert len((tmp_path / "000017.txt").read_text().splitlines()) == len(columns[0])
    stored = cv2.imread(str(tmp_path / "000017.jpg"))[..., ::-1]
    assert stored.shape == (HEIGHT, WIDTH, 3)
    coarse = [
        cv2.resize(np.ascontiguousarray(x), (20, 16), interpolation=cv2.INTER_AREA).astype(float)
        for x in (stored, scenes.image[1].permute(1, 2, 0).numpy())
    ]
    assert np.abs(coarse[0] - coarse[1]).mean() < 3


def test_the_longer_side_of_a_batch_is_as_asked() -> None:
    sizes = {sample_size(Rng((1, batch)), 320) for batch in range(40)}
    assert len(sizes) > 2
    assert all(max(size) == 320 for size in sizes)
    assert all(side % 32 == 0 for size in sizes for side in size)


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


def test_a_damaged_shard_that_was_deleted_is_the_only_one_made_again(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}.npz" for k in range(3)]

    def make(k: int) -> None:
        write_arrays(paths[k], Numbers(np.full(5, k)))

    fill(paths, make, "test")
    whole = [path.read_bytes() for path in paths]
    paths[1].write_bytes(whole[1][:50])
    with pytest.raises(InputError, match=r"1\.npz: not a whole shard: .*; delete this file and give the command"):
        [read_arrays(path, Numbers) for path in paths]
    paths[1].unlink()
    kept = [path.stat().st_mtime_ns for path in (paths[0], paths[2])]
    fill(paths, make, "test")
    assert [path.read_bytes() for path in paths] == whole
    assert [path.stat().st_mtime_ns for path in (paths[0], paths[2])] == kept
    assert [int(read_arrays(path, Numbers).values[0]) for path in paths] == [0, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"(5000,), }", b"(5000,),  ", "not a whole shard"),  # of the header, which NumPy reads as Python
        (b"(5000,)", b"(6000,)", "not a whole shard"),
        (b"PK\x01\x02-\x03-", b"PK\x01\x02-\x03\xff", r"not a whole shard: is damaged \(zip file version"),
        (b"values.npy", b"houses.npy", "lacks values, so another version made it; make the folder anew"),
    ],
)
def test_damage_of_any_kind_is_told_with_the_name_of_the_shard(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, Numbers(np.arange(5000)))
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new))
    with pytest.raises(InputError, match=rf"a\.npz: {message}"):
        read_arrays(path, Numbers)


def test_a_shard_of_another_shape_is_told_with_its_name(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", Loose(np.zeros((2, 2))))
    with pytest.raises(InputError, match=r"a\.npz: not a whole shard: values: got shape \(2, 2\)"):
        read_arrays(tmp_path / "a.npz", Numbers)


def test_a_folder_of_other_settings_is_refused_by_name_of_the_setting(tmp_path: Path) -> None:
    claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})
    claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})
    with pytest.raises(RunError, match="another seed"):
        claim_folder(tmp_path / "a", {"seed": 2, "split": "train"})
    (tmp_path / "a" / "settings.json").write_text("{")
    with pytest.raises(InputError, match=r"settings\.json: not readable as JSON; delete this file if the command is"):
        claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})


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
