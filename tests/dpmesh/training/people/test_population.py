"""The people of pictures before they are placed."""

import torch

from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.population import Studio
from dpmesh.training.render.layout import sample_views


def test_every_picture_gets_its_people_upright_on_its_own_floor_and_turned_at_random(studio: Studio) -> None:
    views, counts = sample_views(Rng((0,)), 4), torch.tensor([3, 0, 1, 2])
    people = studio.gather(Rng((1,)), views, counts, 3)
    assert people.image_index.tolist() == [0, 0, 0, 2, 3, 3] and people.slot.tolist() == [0, 1, 2, 0, 0, 1]
    assert torch.equal(people.present.sum(1), counts)
    spine = torch.nn.functional.normalize(people.joints[:, 12] - people.joints[:, 0], dim=-1)
    assert ((spine * views.up[people.image_index]).sum(-1) > 0.8).all()
    across = torch.nn.functional.normalize(people.joints[:, 1] - people.joints[:, 2], dim=-1)
    assert across[:, 0].std() > 0.3
    sole = (people.vertices @ views.up[people.image_index][..., None]).amin((1, 2))
    assert torch.allclose(people.stances.sole[people.image_index, people.slot], sole)


def test_values_of_people_lie_at_their_place_and_the_rest_is_filled(studio: Studio) -> None:
    people = studio.gather(Rng((1,)), sample_views(Rng((0,)), 3), torch.tensor([2, 0, 1]), 2)
    spread = people.spread(torch.tensor([[1.0], [2.0], [3.0]]), -1.0)
    assert spread[..., 0].tolist() == [[1.0, 2.0], [-1.0, -1.0], [3.0, -1.0]]
