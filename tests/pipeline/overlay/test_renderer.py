import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.overlay.detail import Detail
from pipeline.overlay.renderer import BodyRenderer, common_camera

RED, BLUE = (200, 20, 20), (20, 20, 200)
WIDTH, HEIGHT = 160, 120
CUBE = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
CUBE_FACES = np.array(
    [
        *((0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)),
        *((2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)),
    ]
)  # counter-clockwise from outside


@pytest.fixture
def renderer() -> BodyRenderer:
    return BodyRenderer(Detail(CUBE_FACES), WIDTH, HEIGHT)


def render(renderer: BodyRenderer, *cubes: tuple[float, float, float], size: float = 0.5, focal: float = 100.0):
    vertices = np.stack([size * CUBE + np.float32(place) for place in cubes])
    people = len(cubes)
    colours = np.array([RED, BLUE, (20, 200, 20)][:people], np.uint8)
    return renderer.render(vertices, colours, np.full(people, focal), np.tile((WIDTH / 2, HEIGHT / 2), (people, 1)))


def test_a_cube_covers_the_pixels_its_front_face_projects_to(renderer: BodyRenderer) -> None:
    picture = render(renderer, (0, 0, 4.5), focal=96.0)  # the front face, 4 m away, spans 96 / 4 = 24 pixels
    rows, columns = np.nonzero(picture.person == 0)
    assert (columns.min(), columns.max()) == (80 - 12, 80 + 12 - 1)
    assert (rows.min(), rows.max()) == (60 - 12, 60 + 12 - 1)
    assert picture.coverage.sum() == 24 * 24
    np.testing.assert_allclose(picture.depth_m[picture.person == 0], 4.0, atol=1e-4)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_person_hides_the_other_whatever_their_order(renderer: BodyRenderer, order: tuple) -> None:
    places = [(0.0, 0.0, 4.5), (0.2, 0.0, 8.0)]
    picture = render(renderer, *(places[k] for k in order))
    near = order.index(0)
    assert picture.person[60, 80] == near
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    hidden[50:70, 70:90] = True
    assert np.all(picture.person[hidden] == near)
    assert not np.any(picture.person == 1 - near) or np.all(picture.depth_m[picture.person == 1 - near] > 7.0)


def test_a_far_person_shows_beside_the_near_one(renderer: BodyRenderer) -> None:
    picture = render(renderer, (0.0, 0.0, 4.5), (1.0, 0.0, 8.0))
    assert picture.person[60, 80] == 0 and picture.person[60, 96] == 1
    assert picture.colour[60, 96].argmax() == 2 and picture.colour[60, 80].argmax() == 0


def test_every_person_is_seen_through_their_own_camera(renderer: BodyRenderer) -> None:
    vertices = np.stack([0.5 * CUBE + np.float32(p) for p in ((-1, 0, 4.5), (1, 0, 9.5))])
    colours = np.array([RED, BLUE], np.uint8)
    focal, principal = (
        np.array([100.0, 250.0]),
        np.array([(80.0, 60.0), (70.3, 90.1)]),
    )  # no edge through a pixel's middle
    together = renderer.render(vertices, colours, focal, principal)
    for k in range(2):
        alone = renderer.render(vertices[k : k + 1], colours[k : k + 1], focal[k : k + 1], principal[k : k + 1])
        np.testing.assert_array_equal(together.person == k, alone.person == 0)


def test_the_common_camera_keeps_pixels_and_depth() -> None:
    generator = np.random.default_rng(0)
    vertices = generator.normal(0, 1, (3, 5, 3)).astype(np.float32) + np.float32([0, 0, 6])
    focal, principal = np.array([300.0, 700.0, 50.0]), generator.uniform(0, 200, (3, 2))
    moved = common_camera(vertices, focal, principal, 400.0, np.float32([80, 60]))
    own = focal[:, None, None] * vertices[..., :2] / vertices[..., 2:] + principal[:, None]
    np.testing.assert_allclose(400.0 * moved[..., :2] / moved[..., 2:] + (80, 60), own, atol=1e-3)
    np.testing.assert_array_equal(moved[..., 2], vertices[..., 2])


def test_nobody_gives_an_empty_picture(renderer: BodyRenderer) -> None:
    picture = renderer.render(np.zeros((0, 8, 3)), np.zeros((0, 3), np.uint8), np.zeros(0), np.zeros((0, 2)))
    assert np.all(picture.person == -1) and not picture.colour.any() and not picture.coverage.any()
    assert np.all(np.isinf(picture.depth_m))


@pytest.mark.parametrize("place", [(0.0, 0.0, -5.0), (50.0, 0.0, 5.0), (np.nan, 0.0, 5.0)])
def test_who_is_behind_beside_or_nowhere_is_not_drawn_and_hides_no_one(renderer: BodyRenderer, place: tuple) -> None:
    picture = render(renderer, place, (0.0, 0.0, 4.5))
    assert set(np.unique(picture.person)) == {-1, 1}


def test_someone_who_reaches_through_the_camera_plane_is_drawn(renderer: BodyRenderer) -> None:
    picture = render(renderer, (0.8, 0.0, 0.3), size=0.5)
    assert picture.person[60, 159] == 0 and picture.person[60, 0] == -1


def test_a_closed_mesh_has_no_holes_along_its_edges(renderer: BodyRenderer) -> None:
    for seed in range(5):
        turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix().astype(np.float32)
        vertices = (0.8 * CUBE @ turn.T + np.float32([0, 0, 4.0]))[None]
        principal = np.array([[WIDTH / 2, HEIGHT / 2]])
        inside = renderer.render(vertices, np.array([RED], np.uint8), np.array([120.0]), principal).person == 0
        # The outline of a convex mesh is convex: every row of pixels is one run.
        assert inside.sum() > 1000 and np.all(np.abs(np.diff(inside.astype(int), axis=1)).sum(axis=1) <= 2)


def test_outlines_are_smooth_and_the_inside_is_solid(renderer: BodyRenderer) -> None:
    picture = render(renderer, (0.013, 0.007, 4.5), focal=97.0)
    assert np.any((picture.coverage > 0) & (picture.coverage < 1))
    assert np.all(picture.coverage[52:68, 72:88] == 1.0)


def test_faces_turned_to_the_light_are_brighter(renderer: BodyRenderer) -> None:
    picture = render(renderer, (0.0, 0.0, 4.0))
    assert picture.colour[50, 70, 0] > picture.colour[70, 90, 0]  # the light comes from above and left


def test_a_crowd_drawn_in_groups_looks_as_if_drawn_at_once(
    renderer: BodyRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [(0.2, 0.0, 8.0), (0.0, 0.0, 4.5), (-0.4, 0.3, 6.0)]
    whole = render(renderer, *places)
    monkeypatch.setattr("pipeline.overlay.renderer.BODIES_AT_ONCE", 1)
    joined = render(renderer, *places)
    assert np.array_equal(joined.person, whole.person)
    np.testing.assert_allclose(joined.depth_m, whole.depth_m)
    np.testing.assert_allclose(joined.coverage, whole.coverage, atol=0.01)
    assert np.abs(joined.colour.astype(int) - whole.colour.astype(int)).mean() < 0.5


def test_who_is_small_in_the_picture_looks_the_same_with_fewer_faces(
    body_at_rest: tuple[np.ndarray, np.ndarray],
) -> None:
    rest, faces = body_at_rest
    fine, coarse = (BodyRenderer(Detail(faces, shown), WIDTH, HEIGHT) for shown in (None, rest))
    for turn in Rotation.random(4, rng=np.random.default_rng(0)).as_matrix().astype(np.float32):
        vertices = (rest @ turn.T + np.float32([0, 0, 4]))[None]
        camera = np.array([RED], np.uint8), np.array([250.0]), np.array([[WIDTH / 2, HEIGHT / 2]])
        one, other = fine.render(vertices, *camera), coarse.render(vertices, *camera)
        outline = ((one.coverage > 0) & (one.coverage < 1)).sum()
        assert np.abs(one.coverage - other.coverage).sum() < 0.4 * outline  # pixels, all the way round
        both = (one.coverage == 1) & (other.coverage == 1)
        assert 0 < np.abs(one.colour[both].astype(int) - other.colour[both]).mean() < 6
