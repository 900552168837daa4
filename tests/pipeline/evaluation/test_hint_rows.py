"""What the second stage tells of people in 3D, written for `data hint-errors`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.recovery.hint_rows import HintRows
from pipeline.demo import DEMO_CLIP
from pipeline.evaluation.hint_rows import images_of, look, main
from trackers.blazepose.estimator import Landmarks
from trackers.blazepose.keypoints import LAYOUT
from trackers.blazepose.regions import Regions
from trackers.types import Detections

WIDTH, HEIGHT = 200, 120


class Finder:
    """Finds one person who is sure and one who is not in every image; where they stand depends on the image."""

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        found = []
        for index in frame_indices:
            rng = np.random.default_rng(index)
            keypoints = np.concatenate([rng.uniform(20, 100, (2, 17, 2)), np.full((2, 17, 1), 0.9)], axis=-1)
            box = np.concatenate([keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)], axis=1)
            found.append(Detections(box.astype(np.float32), np.float32([0.9, 0.3]), keypoints.astype(np.float32)))
        return found


class Stage:
    """Tells the keypoints it is given, in hundredths and about their mean; checks that the box holds them."""

    def look(
        self, images: Sequence[np.ndarray], image_row: np.ndarray, boxes_xyxy: np.ndarray, keypoints: np.ndarray
    ) -> Landmarks:
        count, places = len(keypoints), keypoints[..., :2]
        np.testing.assert_allclose(places.min(axis=1), boxes_xyxy[:, :2], atol=1e-3)
        np.testing.assert_allclose(places.max(axis=1), boxes_xyxy[:, 2:], atol=1e-3)
        world = np.zeros((count, 33, 3), np.float32)
        world[:, np.array(LAYOUT.rows)[:17], :2] = (places - places.mean(axis=1, keepdims=True)) / 100
        full = np.ones((count, 33), np.float32)
        nowhere = Regions(np.zeros((count, 2)), np.ones(count), np.zeros(count))
        return Landmarks(np.zeros((count, 33, 2), np.float32), full, full, world, np.ones(count, np.float32), nowhere)


def test_people_who_are_sure_are_told_with_their_image_and_the_mirrored_image_tells_the_same() -> None:
    images = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 3
    rows = look(images, 5, 2, Finder(), Stage())
    assert rows.clip.tolist() == [2, 2, 2] and rows.image.tolist() == [5, 6, 7]
    wanted = Finder().find(images, range(5, 8))
    np.testing.assert_array_equal(rows.keypoints, np.stack([people.keypoints[0] for people in wanted]))
    assert np.ptp(rows.hints[..., 0]) > 0.3
    np.testing.assert_allclose(rows.flipped, rows.hints, atol=1e-5)


def write_crops(folder: Path, counts: Sequence[int]) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 255, (sum(counts), 3, 64, 64), np.uint8)
    start = 0
    for shard, count in enumerate(counts):
        np.savez(folder / f"crops_{shard:07d}.npz", image=images[start : start + count])
        start += count
    return images


def test_images_of_crops_come_in_the_order_of_the_shards_with_their_channels_last(tmp_path: Path) -> None:
    images = write_crops(tmp_path, [2, 1])
    found = list(images_of(tmp_path, 1))
    np.testing.assert_array_equal(np.stack(found), images.transpose(0, 2, 3, 1))


def test_people_of_a_clip_are_written_from_its_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(DEMO_CLIP), "--detector", "bundled", "--frames", "1", "--output", str(tmp_path / "hints.npz")]
    assert main(words) == 0
    rows = HintRows.read(tmp_path / "hints.npz")
    assert 1 <= len(rows.clip) <= 12 and set(rows.clip) == set(rows.image) == {0}
    assert capsys.readouterr().err.endswith(f"demo.mp4: {len(rows.clip)} people in 1 images\n")
    spans = np.linalg.norm(rows.hints[:, 0, :3] - rows.hints[:, 10, :3], axis=-1)  # left shoulder to left ankle
    assert (spans > 0.3).all() and (spans < 2.0).all()


def test_a_folder_without_crops_and_a_second_stage_that_is_off_are_refused(tmp_path: Path) -> None:
    words = [str(tmp_path), "--detector", "bundled", "--output", str(tmp_path / "hints.npz")]
    with pytest.raises(InputError, match="no image was found; give clips, or a folder that"):
        main(words)
    with pytest.raises(InputError, match="second_stage is off"):
        main([*words, "--second-stage", "off"])
    assert not (tmp_path / "hints.npz").exists()
