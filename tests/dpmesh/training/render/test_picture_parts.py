"""Random draws, backgrounds, things in front, and what the camera does to pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from configs.errors import InputError
from dpmesh.training.engine.rng import Rng, choose
from dpmesh.training.render.backgrounds import Textures, read_background, sample_backgrounds, sample_views_of
from dpmesh.training.render.layout import Views, tilted_cameras
from dpmesh.training.render.occluders import sample_covers
from dpmesh.training.render.sensor import photograph


def test_equal_names_draw_equally_and_other_names_otherwise() -> None:
    first, again, other = (Rng(names) for names in ((1, 2), (1, 2), (2, 1)))
    drawn = first.normal(1.0, 50)
    assert torch.equal(drawn, again.normal(1.0, 50))
    assert first.numpy.random() == again.numpy.random()
    assert not torch.equal(drawn, other.normal(1.0, 50))
    assert not torch.equal(drawn, first.normal(1.0, 50))


def test_draws_keep_to_their_bounds() -> None:
    rng = Rng((3,))
    even = rng.uniform(-2.0, torch.tensor([1.0, 5.0]), 4000, 2)
    assert even.min() >= -2.0 and (even.amax(0) < torch.tensor([1.0, 5.0])).all()
    assert torch.allclose(even.mean(0), torch.tensor([-0.5, 1.5]), atol=0.15)
    spread = rng.log_uniform(0.01, 100.0, 4000)
    assert spread.min() > 0.0099 and spread.max() < 101
    assert (spread < 1).float().mean() == pytest.approx(0.5, abs=0.05)
    assert set(rng.integers(3, 100).tolist()) == {0, 1, 2}
    assert rng.coin(0.2, 4000).float().mean() == pytest.approx(0.2, abs=0.03)
    ways = rng.directions(4000)
    assert torch.allclose(ways.norm(dim=-1), torch.ones(4000))
    assert ways.mean(0).abs().max() < 0.05


def test_a_pick_follows_its_weights_and_never_takes_a_zero() -> None:
    picked = Rng((4,)).pick((0.0, 3.0, 0.0, 1.0), 4000)
    shares = torch.bincount(picked, minlength=4) / 4000
    assert shares[0] == shares[2] == 0
    assert shares[1] == pytest.approx(0.75, abs=0.04)


def test_an_index_chooses_element_by_element() -> None:
    index = torch.tensor([[0, 1], [2, 1]])
    options = [torch.full((2, 1), 5.0), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.full((2, 2), 7.0)]
    assert choose(index, options).tolist() == [[5.0, 2.0], [7.0, 4.0]]


@pytest.fixture(scope="module")
def ramps(tmp_path_factory: pytest.TempPathFactory) -> Textures:
    """Return two photographs: red rises to the right, green downwards; and one plain blue."""
    folder = tmp_path_factory.mktemp("textures")
    ramp = np.zeros((200, 200, 3), np.uint8)
    ramp[..., 2] = np.linspace(0.5, 200.5, 200)[None]
    ramp[..., 1] = np.linspace(0.5, 200.5, 200)[:, None]
    blue = np.zeros((100, 300, 3), np.uint8)
    blue[..., 0] = 250
    paths = [folder / "ramp.png", folder / "blue.png"]
    for path, image in zip(paths, (ramp, blue), strict=True):
        cv2.imwrite(str(path), image)
    return Textures(paths)


@pytest.mark.parametrize("texels_per_pixel", [0.3, 2.0, 8.0, 100.0])
def test_a_photograph_shows_the_same_place_at_every_size(ramps: Textures, texels_per_pixel: float) -> None:
    across, down = torch.meshgrid(torch.linspace(0.1, 0.9, 9), torch.linspace(0.1, 0.9, 9), indexing="xy")
    u, v = across.expand(2, 9, 9), down.expand(2, 9, 9)
    found = ramps.read(torch.tensor([0, 1]), u, v, torch.full((2,), texels_per_pixel))
    assert (found[0, ..., 0] - 200 * across).abs().max() < 2.5
    assert (found[0, ..., 1] - 200 * down).abs().max() < 2.5
    assert torch.allclose(found[1], torch.tensor([0.0, 0.0, 250.0]).expand(9, 9, 3))


def test_what_lies_outside_of_a_photograph_takes_its_edge(ramps: Textures) -> None:
    u, v = torch.tensor([[[-1.0, 2.0]]]), torch.tensor([[[0.5, 3.0]]])
    left, corner = ramps.read(torch.tensor([0]), u, v, torch.ones(1))[0, 0]
    assert left[0] < 1 and corner[0] > 199 and corner[1] > 199


def test_a_window_of_a_photograph_keeps_its_proportions(ramps: Textures) -> None:
    """The ramp falls or rises as fast downwards as to the side, per pixel, whatever the picture's shape."""
    views = sample_views_of(Rng((5,)), ramps, 30, 48, 16)
    coloured = views[views[..., 2].amax((1, 2)) < 60]
    assert len(coloured) > 5
    inner = coloured.amax((1, 2)) < 250
    across, down = coloured.diff(dim=2).mean((1, 2))[:, 0].abs(), coloured.diff(dim=1).mean((1, 2))[:, 1].abs()
    kept = inner[:, 0] & inner[:, 1] & (across > 0.2)
    assert kept.sum() > 3
    assert ((across / down)[kept] - 1).abs().max() < 0.3  # red and green have gains of their own


def level_views(count: int) -> Views:
    level = tilted_cameras(torch.full((count,), 0.2), torch.zeros(count))
    return Views(torch.full((count, 2), 32.0), torch.full((count,), 30.0), torch.full((count, 2), 16.0), level)


def test_a_floor_covers_only_what_lies_below_the_horizon(ramps: Textures) -> None:
    views, count = level_views(12), 12
    foot = (-1.5 * views.up[0] + torch.tensor([0.0, 0.0, 4.0])).expand(count, 3)

    def draw(floor_probability: float) -> Tensor:
        return sample_backgrounds(Rng((6,)), ramps, views, foot, 32, 32, floor_probability)

    without, covered = draw(0.0), draw(1.0)
    assert torch.equal(without, draw(0.0))
    assert min(without.min(), covered.min()) >= 0 and max(without.max(), covered.max()) <= 255
    changed = (without != covered).any(-1)
    line = torch.arange(32) + 0.5 - 16
    below = (views.up[0, 1] * line + 30 * views.up[0, 2]) < 0
    assert 0 < below.sum() < 32
    assert not changed[:, ~below].any()
    assert changed[:, below].float().mean() > 0.3


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.jpg: not a readable picture"):
        read_background(tmp_path / "broken.jpg")


def test_a_cover_lies_near_the_person_and_can_be_taken_off(ramps: Textures) -> None:
    centre, reach = torch.tensor([[16.0, 48.0]]).expand(60, 2), torch.full((60,), 24.0)
    covers, again = (sample_covers(Rng((7,)), ramps, centre, reach, 64, 64) for _ in range(2))
    assert torch.equal(covers.alpha, again.alpha) and torch.equal(covers.colour, again.colour)
    assert covers.alpha.shape == (60, 64, 64) and covers.colour.shape == (60, 64, 64, 3)
    assert covers.alpha.min() == 0 and covers.alpha.max() == 1
    assert (covers.alpha.amax((1, 2)) == 1).float().mean() > 0.9
    near, far = covers.alpha[:, 40:56, 8:24].mean(), covers.alpha[:, 8:24, 40:56].mean()
    assert near > 3 * far
    kept = torch.arange(60) < 20
    some = covers.only(kept)
    assert torch.equal(some.alpha[:20], covers.alpha[:20]) and not some.alpha[20:].any()


def waves(count: int, side: int) -> Tensor:
    """Return smooth grey pictures (count, 3, side, side) of many directions."""
    place = torch.arange(side) + 0.5
    x, y = place[None, None], place[None, :, None]
    image = torch.zeros(count, side, side)
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        fx, fy, phase = torch.rand(3, count, 1, 1, generator=generator) - 0.5
        image = image + torch.sin(0.8 * fx * x + 0.8 * fy * y + 6.3 * phase)
    return (128 + 30 * image)[:, None].repeat(1, 3, 1, 1).clamp(20, 235)


def test_the_camera_neither_moves_nor_scrambles_the_picture() -> None:
    before = waves(64, 48)
    after = photograph(Rng((8,)), before)
    assert after.dtype == torch.uint8 and after.shape == before.shape
    inner = slice(6, -6)
    shifts, likeness = [], []
    for old, new in zip(before[:, 1], after[:, 1].float(), strict=True):
        down, right = torch.gradient(old)
        told = [part[inner, inner].flatten() for part in (torch.ones_like(old), old, old**2 / 255, right, down)]
        solved = torch.linalg.lstsq(torch.stack(told, 1), new[inner, inner].reshape(-1, 1)).solution[:, 0]
        slope = solved[1] + 2 * solved[2] * old.mean() / 255
        shifts.append(-solved[3:] / slope)  # a picture moved by d is old - d * gradient
        likeness.append(torch.corrcoef(torch.stack([old.flatten(), new.flatten()]))[0, 1])
    moved = torch.stack(shifts)
    assert moved.abs().max() < 0.25
    assert moved.mean(0).abs().max() < 0.02
    assert torch.stack(likeness).min() > 0.9


def test_equal_chances_photograph_alike_and_a_small_original_gives_a_soft_picture() -> None:
    image = (torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(1)) > 0.5) * 200.0
    sharp, again, soft = (photograph(Rng((9,)), image, torch.full((16,), share)) for share in (1.0, 1.0, 0.25))
    assert torch.equal(sharp, again)
    assert not torch.equal(photograph(Rng((10,)), image), sharp)

    def edges(pictures: Tensor) -> Tensor:
        return pictures.float().diff(dim=-1).abs().mean((1, 2, 3))

    assert (edges(soft) < 0.6 * edges(sharp)).all()
