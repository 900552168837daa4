import numpy as np
import shapely

from configs.analytics_schema import AnalyticsSettings
from pipeline.analytics.frame_marks import ZONE, FrameMarks
from pipeline.analytics.from_run import RunPeople
from pipeline.analytics.ground import Ground
from pipeline.analytics.shapes import Shape, Shapes
from pipeline.analytics.trajectories import Postures, sorted_trajectories
from pipeline.types import Frame

CAMERA = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 2.0], [0, 0, 0, 1]])  # 2 m up, level, looks along y
GROUND = Ground(CAMERA, 0.0, True, "", True, 500.0, np.array([320.0, 180.0]))
SQUARE = shapely.box(-1, 5, 1, 8)


def marks() -> FrameMarks:
    """Return what is drawn of two people 0.8 m apart who walk in frames 0 to 19."""
    x = np.concatenate([np.linspace(-1, 1, 20), np.linspace(-1, 1, 20)])
    xy = np.stack([x, np.repeat([5.0, 5.8], 20)], axis=1)
    people = sorted_trajectories(np.repeat([1, 2], 20), np.tile(np.arange(20), 2), xy, 10.0)
    none = np.zeros(40)
    shapes = Shapes((Shape("shop", "zone", SQUARE),))
    return FrameMarks(RunPeople(people, Postures(*([none] * 7)), GROUND, True), shapes, AnalyticsSettings())


def test_the_grid_the_zone_and_what_people_do_are_drawn_where_they_are() -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    with_people = marks().draw(Frame(10, 1.0, image)).image
    empty = marks().draw(Frame(50, 5.0, image)).image
    assert not image.any()  # the frame itself stays as it is
    x, y = GROUND.project(np.array([[-1.0, 6.4]]))[0].round().astype(int)
    assert (empty[y, x - 2 : x + 3] == ZONE).all(axis=1).any()
    assert not empty[:150].any()  # nothing above the horizon
    feet = GROUND.project(np.array([[0.0, 5.4]]))[0].round().astype(int)
    assert np.any(
        with_people[feet[1] - 30 : feet[1] + 60, feet[0] - 60 : feet[0] + 60]
        != empty[feet[1] - 30 : feet[1] + 60, feet[0] - 60 : feet[0] + 60]
    )
