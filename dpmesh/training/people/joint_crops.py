"""Crops without images: what the joints alone can teach, at a hundred times the pace of drawing them."""

import torch
from torch import Tensor

from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.crops import PEOPLE_COUNT_WEIGHTS, Crops, crops_of, refine_scene
from dpmesh.training.people.population import Studio
from dpmesh.training.render.layout import sample_views
from dpmesh.training.render.visibility import HIDDEN, OUTSIDE, VISIBLE

_COVER_PROBABILITY = 0.5
_HIDDEN_PROBABILITY = 0.12


@torch.no_grad()
def make_joint_crops(studio: Studio, rng: Rng, count: int, image_px: int) -> Crops:
    """Return `count` crops with black images; who hides which joint is drawn, not seen.

    People are placed as in `make_crops`, their joints instead of their skin. Half of the crops have a box before
    them, and any joint may be hidden by the own body.
    """
    views = sample_views(rng, count)
    people = studio.gather(
        rng, views, rng.pick(PEOPLE_COUNT_WEIGHTS, count), len(PEOPLE_COUNT_WEIGHTS) - 1, has_skin=False
    )
    scene = refine_scene(rng, views, people, image_px)
    first = people.slot == 0
    joints = (people.joints + scene.trans[:, None])[first]
    pixels = scene.windows.project(joints)
    inside = ((pixels >= 0) & (pixels < image_px)).all(-1) & views.contains(views.project(joints))
    hidden = _covered(rng, pixels, image_px) | rng.coin(_HIDDEN_PROBABILITY, *pixels.shape[:2])
    visible = torch.where(inside, torch.where(hidden, HIDDEN, VISIBLE), OUTSIDE).to(torch.uint8)
    image = torch.zeros(1, dtype=torch.uint8, device=pixels.device).expand(count, 3, image_px, image_px)
    given = {"image": image, "joints30_px": pixels, "joints30_cam": joints, "visible30": visible}
    return crops_of(people, scene, views, scene.placed, hidden_share=hidden.float().mean(1), **given)


def _covered(rng: Rng, pixels: Tensor, image_px: int) -> Tensor:
    """Return which joints (N, J) lie behind a box."""
    count = len(pixels)
    middle = image_px * rng.uniform(0.0, 1.0, count, 1, 2)
    half = 0.5 * image_px * rng.uniform(0.15, 0.7, count, 1, 2)
    return ((pixels - middle).abs() < half).all(-1) & rng.coin(_COVER_PROBABILITY, count, 1)
