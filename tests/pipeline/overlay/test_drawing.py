import numpy as np
import pytest

from pipeline.overlay import drawing
from pipeline.overlay.drawing import blend_bodies, draw_boxes, draw_keypoints, draw_tags, lightened
from pipeline.overlay.renderer import Rendering

WHITE = np.array([[255, 255, 255]], np.uint8)


def rendering_of(person: np.ndarray, coverage: np.ndarray) -> Rendering:
    colour = np.zeros((*person.shape, 3), np.uint8)
    colour[coverage > 0] = (200, 100, 0)
    return Rendering(colour, person, coverage, np.ones(person.shape, np.float32))


def test_a_body_covers_by_its_opacity_and_the_rest_stays() -> None:
    person = np.array([[0, 1, -1, -1]], np.int32)
    picture = rendering_of(person, np.array([[1.0, 1.0, 0.5, 0.0]], np.float32))
    frame = np.full((1, 4, 3), 100, np.uint8)
    mixed = blend_bodies(frame, picture, np.array([0.75, 0.25]))
    assert mixed[0, :, 0].tolist() == [175, 125, 138, 100]  # 100 + share * (200 - 100); the outline takes the highest
    assert frame[0, 0, 0] == 100


@pytest.mark.parametrize(("height", "width"), [(90, 160), (360, 640), (2160, 3840), (640, 360)])
def test_tags_are_legible_at_every_size_and_stay_inside(height: int, width: int) -> None:
    image = np.full((height, width, 3), 127, np.uint8)
    draw_tags(image, ["12"], np.array([[width * 1.5, -40.0]]), WHITE)
    rows = np.flatnonzero((image != 127).any(axis=(1, 2)))
    assert np.ptp(rows) >= 9  # pixels: digits below that cannot be read
    assert np.ptp(rows) < height / 8 + 10
    assert image.max() > 240 and image.min() < 40  # bright letters, dark edge


def test_tags_at_one_place_do_not_cover_each_other() -> None:
    separate = [np.zeros((200, 300, 3), np.uint8) for _ in range(2)]
    both = np.zeros((200, 300, 3), np.uint8)
    place = np.array([[150.0, 100.0]])
    draw_tags(separate[0], ["1"], place, WHITE)
    draw_tags(both, ["1", "1"], np.repeat(place, 2, axis=0), np.repeat(WHITE, 2, axis=0))
    assert (both > 200).sum() == 2 * (separate[0] > 200).sum()


def test_no_tags_change_nothing() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    draw_tags(image, [], np.zeros((0, 2)), np.zeros((0, 3), np.uint8))
    assert not image.any()


def test_only_confident_keypoints_are_drawn() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    points[0, 0] = (30, 40, 0.49)
    points[0, 9] = (60, 70, 0.5)
    image = np.zeros((100, 100, 3), np.uint8)
    draw_keypoints(image, points, WHITE)
    assert image[70, 60].max() > 200 and not image[30:50, 20:40].any()


def test_boxes_are_lines() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    draw_boxes(image, np.array([[10.0, 12.0, 30.0, 40.0]]), WHITE)
    assert image[12, 20].max() > 200 and image[40, 20].max() > 200 and not image[26, 20].any()


def test_dark_colours_are_lightened_for_text() -> None:
    assert lightened(np.array([0, 114, 178], np.uint8)).mean() > 130
    np.testing.assert_array_equal(lightened(np.array([240, 228, 66], np.uint8)), (240, 228, 66))


def test_tags_of_a_crowd_cover_each_other_at_the_top_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(drawing, "draw_text", lambda image, text, x, y, size, colour: drawn.append((x, y)))
    count, size = 1000, drawing.text_height_for(720)
    high, wide = drawing._letters("7", size, tuple(WHITE[0].tolist()))[0].shape[:2]
    anchors = np.random.default_rng(0).uniform(0, 1, (count, 2)) * (1280, 720)
    draw_tags(np.zeros((720, 1280, 3), np.uint8), ["7"] * count, anchors, np.repeat(WHITE, count, axis=0))
    places = np.array(drawn)
    apart = np.abs(places[:, None] - places[None])
    is_covered = (apart[..., 0] < wide) & (apart[..., 1] < high) & ~np.eye(count, dtype=bool)
    assert len(places) == count
    assert not is_covered[places[:, 1] > high].any()
    assert (places[:, 1] > high).sum() > 100
