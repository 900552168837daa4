"""The keypoint reader: from maps to pixels, the mirror image, and the detector's guess."""

import numpy as np
import pytest
import torch
from torch import Tensor

from configs.skeletons import MIRRORED_17
from dpmesh.network.prompts import heatmaps
from dpmesh.recovery.keypoint_refiner import BOX_SCALE, KEYPOINTS, MAP_PX, KeypointNetwork, KeypointRefiner


class _Bright(torch.nn.Module):
    """Sees every keypoint where the crop is brightest: the left ones at the red spot, the others at the green one."""

    def forward(self, image: Tensor) -> Tensor:
        small = torch.nn.functional.avg_pool2d(image, 4)
        left = torch.tensor([place in (1, 3, 5, 7, 9, 11, 13, 15) for place in range(KEYPOINTS)])
        return 40.0 * torch.where(left[None, :, None, None], small[:, :1], small[:, 1:2])


def spots(red: tuple[int, int], green: tuple[int, int]) -> np.ndarray:
    image = np.zeros((200, 300, 3), np.uint8)
    for channel, (x, y) in enumerate((red, green)):
        image[y - 4 : y + 5, x - 4 : x + 5, channel] = 255
    return image


BOX = np.array([[50.0, 40.0, 150.0, 140.0]], np.float32)
NOWHERE = np.zeros((1, KEYPOINTS, 3), np.float32)


def read(image: np.ndarray, guess: np.ndarray = NOWHERE, network: torch.nn.Module | None = None) -> np.ndarray:
    reader = KeypointRefiner(network or _Bright(), "cpu")  # type: ignore[arg-type]
    return reader.read([image], np.zeros(1, np.int64), BOX, guess)[0]


def test_maps_become_pixels_of_the_full_image() -> None:
    class Right(_Bright):
        """Ignores sides, so that the mirror image agrees."""

        def forward(self, image: Tensor) -> Tensor:
            return 40.0 * torch.nn.functional.avg_pool2d(image, 4)[:, :1].expand(-1, KEYPOINTS, -1, -1)

    found = read(spots((80, 60), (80, 60)), network=Right())
    assert np.abs(found[:, :2] - (80, 60)).max() < 0.75 * BOX_SCALE * 100 / MAP_PX
    assert (found[:, 2] > 0.2).all()


def test_a_guess_tells_which_of_two_people_is_meant() -> None:
    class Both(_Bright):
        def forward(self, image: Tensor) -> Tensor:
            return 6.0 * torch.nn.functional.avg_pool2d(image, 4)[:, :2].amax(1, True).expand(-1, KEYPOINTS, -1, -1)

    image = spots((75, 90), (125, 90))
    for x in (75, 125):
        guess = np.full((1, KEYPOINTS, 3), 0.9, np.float32)
        guess[..., :2] = (x, 92)
        assert np.abs(read(image, guess, Both())[:, 0] - x).max() < 4


def test_the_mirror_names_every_keypoint_once_and_undoes_itself() -> None:
    assert sorted(MIRRORED_17) == list(range(KEYPOINTS))
    assert [MIRRORED_17[place] for place in MIRRORED_17] == list(range(KEYPOINTS))


def test_a_mirrored_map_falls_on_the_same_cells() -> None:
    """What is read of the mirror image alone lies where the picture itself says."""

    class Sides(torch.nn.Module):
        calls = 0

        def forward(self, image: Tensor) -> Tensor:
            self.calls += 1
            x = 10.0 if self.calls == 1 else MAP_PX - 10.0
            places = torch.tensor([x, 20.0]).expand(len(image), KEYPOINTS, 2)
            return 8.0 * heatmaps(places, torch.ones(1), 1.5)

    found = read(spots((80, 60), (80, 60)), network=Sides())
    side = BOX_SCALE * 100
    wanted = np.array([100, 90]) + (np.array([10.0, 20.0]) / MAP_PX - 0.5) * side
    assert np.abs(found[:, :2] - wanted).max() < 0.1 * side / MAP_PX


def test_the_network_gives_one_map_per_keypoint() -> None:
    network = KeypointNetwork(channels=(8, 8, 8, 8), stem_channels=4).eval()
    with torch.no_grad():
        assert network.forward(torch.rand(2, 3, 128, 128)).shape == (2, KEYPOINTS, MAP_PX, MAP_PX)


def test_nobody_is_read_as_nobody() -> None:
    reader = KeypointRefiner(KeypointNetwork(channels=(8, 8, 8, 8), stem_channels=4).eval(), "cpu")
    none = np.zeros((0, 4), np.float32)
    found = reader.read([spots((5, 5), (9, 9))], np.zeros(0, np.int64), none, np.zeros((0, KEYPOINTS, 3), np.float32))
    assert found.shape == (0, KEYPOINTS, 3)


@pytest.mark.parametrize("confidence", [0.0, 0.9])
def test_certainty_lies_between_nothing_and_one(confidence: float) -> None:
    guess = np.full((1, KEYPOINTS, 3), confidence, np.float32)
    certainty = read(spots((75, 90), (125, 90)), guess)[:, 2]
    assert ((certainty > 0) & (certainty <= 1)).all()


def test_sides_taken_for_each_other_in_the_mirror_do_not_meet_in_the_middle() -> None:
    class Confused(torch.nn.Module):
        """Takes left for right in every mirror image; the two legs stand two cells apart."""

        calls = 0

        def forward(self, image: Tensor) -> Tensor:
            self.calls += 1
            is_left = torch.tensor([place % 2 == 1 for place in range(KEYPOINTS)])
            x = torch.where(is_left, 17.0, 15.0) if self.calls == 1 else MAP_PX - torch.where(is_left, 17.0, 15.0)
            places = torch.stack([x, torch.full_like(x, 20.0)], dim=-1).expand(len(image), KEYPOINTS, 2)
            return 12.0 * heatmaps(places, torch.ones(1), 1.0)

    found = read(spots((80, 60), (80, 60)), network=Confused())
    cell = BOX_SCALE * 100 / MAP_PX
    assert found[15, 0] - found[16, 0] == pytest.approx(2.0 * cell, abs=0.3 * cell)
    assert found[15, 2] < 0.8 * found[0, 2]
