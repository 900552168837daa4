import numpy as np
import pytest
from keypoint_people import points_of

from configs.errors import InputError
from trackers.keypoint_files.layout_vote import choose_layout, looks_wrong
from trackers.keypoint_layouts import KEPT, LAYOUTS, layouts_of, to_kept

SHARED = [name for name, layout in LAYOUTS.items() if len(layouts_of(layout.count)) > 1]


def _people(name: str, count: int = 20, hidden: float = 0.0) -> np.ndarray:
    """Return (R, K, 3) people of many sizes, turned in the picture, noisy, some points not seen."""
    rng, base = np.random.default_rng(5), points_of(LAYOUTS[name])
    found = np.tile(base, (count, 1, 1))
    seen = base[:, 2] > 0
    angle = rng.uniform(-1.5, 1.5, count)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 1, 2, 2)
    middle = base[seen, :2].mean(axis=0)
    scale = rng.uniform(0.2, 3.0, (count, 1, 1))
    xy = (turn @ (found[..., :2] - middle)[..., None])[..., 0] * scale + rng.uniform(0, 900, (count, 1, 2))
    found[..., :2] = xy + rng.normal(0, 2.0, xy.shape) * scale
    found[(rng.random(found.shape[:2]) < hidden) | ~seen] = 0
    return found.astype(np.float32)


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("hidden", [0.0, 0.3])
def test_layouts_with_as_many_points_are_told_apart_by_what_people_look_like(name: str, hidden: float) -> None:
    layouts = layouts_of(LAYOUTS[name].count)
    people = _people(name, hidden=hidden)
    people[::3, 7, :2] = 1e6  # strays
    assert choose_layout(people, layouts, "a.json").name == name
    assert choose_layout(people, layouts[::-1], "a.json").name == name


def test_people_who_do_not_tell_are_refused_by_name_unless_something_is_usual() -> None:
    layouts = layouts_of(25)
    few = _people("body25", 3)
    few[:, 2:] = 0
    mixed = np.concatenate([_people("body25"), _people("body25b")])
    for people in (few, mixed, np.ones((2, 25, 3), np.float32)):
        with pytest.raises(InputError, match=r"a\.json: 25 points are OpenPose BODY_25 .*--keypoints-format body25"):
            choose_layout(people, layouts, "a.json")
        assert choose_layout(people, layouts, "a.json", usual=layouts[1]) is layouts[1]


def test_points_read_in_a_wrong_order_look_wrong() -> None:
    assert looks_wrong(to_kept(_people("body25b"), LAYOUTS["body25"]), KEPT)
    for name, layout in LAYOUTS.items():
        assert not looks_wrong(to_kept(_people(name, hidden=0.2), layout), KEPT)
