"""A network that sees is told from a blind one, and the second stage's evidence reaches the bodies."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

from configs.errors import InputError
from dpmesh.body import load_body
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from pipeline.evaluation.image_use import main
from pipeline.evaluation.other_images import exchanged_image
from pipeline.evaluation.projection import project_rows
from pipeline.evaluation.seen_people import SeenPeople, Source
from trackers.types import Detections

COUNT, SIDE = 4, 96


def write_crops(folder: Path) -> Path:
    """Write a shard of crops: noise, and one pose whose left wrist is hidden."""
    rng = np.random.default_rng(0)
    nothing = torch.zeros(COUNT, 3)
    stood = load_body(None).joints(torch.zeros(COUNT, 24, 3), torch.zeros(COUNT, 10), nothing, joint_set="dpmesh30")
    joints: np.ndarray = (stood.numpy() * [1, -1, -1] + [0, 0, 4]).astype(np.float32)
    focal, principal, centre, box = 800.0, [320.0, 240.0], [330.0, 220.0], 480.0
    zoom = SIDE / box
    in_crop = (np.array(principal) - centre) * zoom + SIDE / 2
    visible = np.full((COUNT, 30), 2, np.uint8)
    visible[:, 20] = 1
    folder.mkdir()
    np.savez(
        folder / "crops_0000000.npz",
        image=rng.integers(0, 256, (COUNT, 3, SIDE, SIDE), dtype=np.uint8),
        joints30_cam=joints,
        joints30_px=project_rows(joints, np.full(COUNT, focal * zoom), np.tile(in_crop, (COUNT, 1))),
        visible30=visible,
        focal_px=np.full(COUNT, focal, np.float32),
        principal_px=np.tile(np.array(principal, np.float32), (COUNT, 1)),
        box_centre_px=np.tile(np.array(centre, np.float32), (COUNT, 1)),
        box_px=np.full(COUNT, box, np.float32),
    )
    return folder


def write_network(folder: Path, *, is_blind: bool) -> Path:
    torch.manual_seed(0)
    network = DPMesh(**NetworkConfig(TINY_BACKBONE, TINY_REGRESSOR).to_mappings())
    with torch.no_grad():
        for name, values in network.named_parameters():
            if name.startswith("pose_head"):  # starts so small that nothing moves
                values.normal_(0.0, 0.1)
        if is_blind:
            network.backbone.latents.quant_conv.weight.zero_()
            network.backbone.latents.quant_conv.bias.zero_()
    network.save_pretrained(folder)
    return folder


def moved_mm(table: str) -> dict[str, float]:
    """Return by how much each change moves the bodies, as the command prints it."""
    rows = [(line[:32].strip(), line[32:42].strip()) for line in table.splitlines()[2:-1]]
    return {name: float(value) for name, value in rows}


def test_a_network_that_sees_is_told_from_a_blind_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crops = write_crops(tmp_path / "crops")
    moved = []
    for is_blind in (False, True):
        network = write_network(tmp_path / f"network_{is_blind}", is_blind=is_blind)
        assert main([str(crops), "--model", str(network), "--second-stage", "off"]) == 0
        moved.append(moved_mm(capsys.readouterr().out))
    for change in ("sees black", "sees noise", "sees another person", "without latents"):
        assert moved[0][f"network {change}"] > 0.5, change
        assert moved[1][f"network {change}"] == 0.0, change
    for branch in ("heat maps", "prompts", "attention maps"):
        assert all(each[f"network without {branch}"] > 0.0 for each in moved), branch


def test_crops_are_images_with_the_keypoints_that_they_show(tmp_path: Path) -> None:
    (people,) = Source.of(write_crops(tmp_path / "crops")).people(lambda: pytest.fail("nobody is looked for"), 1, 3)
    assert len(people.image_row) == len(people.images) == 3 and people.images[0].shape == (SIDE, SIDE, 3)
    assert (people.found.keypoints[:, 9] == 0).all() and (people.found.keypoints[:, 10, 2] == 1).all()
    elbows_px = project_rows(people.truth_m[:, 18:20], people.focal_px, people.principal_px)
    np.testing.assert_allclose(people.found.keypoints[:, 7:9, :2], elbows_px, atol=1e-3)
    assert people.is_hidden.sum(axis=0).tolist() == [3 * (joint == 20) for joint in range(24)]


def test_another_person_stands_where_the_first_one_stood() -> None:
    boxes = np.array([[10, 20, 30, 60], [40, 10, 60, 90]], np.float32)
    images = [np.zeros((100, 100, 3), np.uint8) for _ in boxes]
    for image, (left, top, right, bottom), colour in zip(images, boxes.astype(int), (50, 200), strict=True):
        image[top:bottom, left:right] = colour
    found = Detections(boxes, np.ones(2, np.float32), np.zeros((2, 17, 3), np.float32))
    unknown = np.zeros((2, 24, 3))
    camera = np.ones(2, np.float32), np.zeros((2, 2), np.float32)
    people = SeenPeople(np.arange(2), *camera, unknown, np.zeros((2, 24), bool), found, images)
    other = exchanged_image(people, 0)[..., 0]
    # half as large, with the same middle: 10 x 40 pixels about (20, 40)
    np.testing.assert_array_equal(np.flatnonzero((other > 100).any(axis=0)), np.arange(15, 25))
    np.testing.assert_array_equal(np.flatnonzero((other > 100).any(axis=1)), np.arange(20, 60))


def test_sources_without_people_are_told(tmp_path: Path) -> None:
    network = write_network(tmp_path / "network", is_blind=True)
    rest = ["--model", str(network), "--second-stage", "off"]
    with pytest.raises(InputError, match="fewer than two people are found; give another source"):
        main([str(write_crops(tmp_path / "crops")), "--limit", "1", *rest])
    (tmp_path / "crops" / "crops_0000000.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"crops_0000000\.npz: not a shard of crops"):
        main([str(tmp_path / "crops"), *rest])


@pytest.mark.slow
def test_the_second_stage_moves_the_bodies_of_a_real_clip(test_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = test_data / "data/videos/mmaction2_demo_skeleton.mp4"
    assert main([str(clip), "--detector", "bundled", "--frames", "2"]) == 0
    moved = moved_mm(capsys.readouterr().out)
    for part in ("second stage off", "its keypoints alone", "its 3D joints alone", "second stage sees black"):
        assert moved[part] > 5.0, part
