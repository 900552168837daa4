"""The viewer shows the bones of the scene, hides and follows whom it is told to, and lets nobody in."""

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.bench.report import make_run
from pipeline.view.footage import Footage
from pipeline.view.scene import Scene, scene_of_run

pytest.importorskip("viser", reason="the viewer needs the extra `view`")
from pipeline.view.viewer import FILLED, REFINED, SEEN, Viewer


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scene_of_run(make_run(tmp_path / "run", 2, 2))


@pytest.fixture
def viewer(scene: Scene, tmp_path: Path) -> Iterator[Viewer]:
    from pipeline.results import Run

    made = Viewer(scene, Footage(Run(tmp_path / "run")), lambda: scene, "a *clip*", "127.0.0.1", 8391)
    yield made
    made.close()


def test_bones_are_those_of_the_scene(viewer: Viewer, scene: Scene) -> None:
    viewer.show(1.0)
    for figure, person in zip(viewer.figures, scene.people, strict=True):
        turns, places = person.bones(slice(30, 31))
        np.testing.assert_allclose([bone.position for bone in figure.mesh.bones], places[0], atol=1e-6)
        np.testing.assert_allclose(
            [bone.wxyz for bone in figure.mesh.bones], turns.as_quat(scalar_first=True), atol=1e-6
        )


def test_people_are_hidden_coloured_and_drawn_as_asked(viewer: Viewer) -> None:
    first, second = viewer.figures
    viewer.shown[1].value = False
    assert not first.mesh.visible and second.mesh.visible
    viewer.mode.value = "skeletons"
    assert second.sticks.visible and not second.mesh.visible and second.sticks.points.any()
    viewer.mode.value, viewer.colours.value = "bodies", "seen, filled in, refined"
    shown = []
    for time_s in (0.1, 0.7, 1.5):
        viewer.show(time_s)
        shown.append(tuple(second.mesh.color))
    assert shown == [SEEN, FILLED, REFINED]
    viewer.show(99.0)
    assert viewer.time_s == viewer.end_s == viewer.slider.value


def test_motion_before_refinement_stands_beside_it(viewer: Viewer) -> None:
    viewer.has_raw.value = True
    assert [(each.person.id, each.is_raw) for each in viewer.figures] == [(1, False), (2, False), (1, True), (2, True)]
    beside = viewer.figures[2].mesh.bones[0].position - viewer.figures[0].mesh.bones[0].position
    assert beside[0] < -1 and not beside[1:].any()
    viewer.has_raw.value = False
    assert not viewer.figures[2].mesh.visible


def test_it_plays_to_the_end_and_stops(viewer: Viewer) -> None:
    viewer.speed.value = "4"
    viewer.show(1.0)
    viewer.set_playing(True)
    for _ in range(200):
        if not viewer.is_playing:
            break
        viewer._thread.join(timeout=0.1)
    assert viewer.time_s == viewer.end_s and not viewer.is_playing and viewer.play.label == "Play"


def test_only_this_machine_can_look(viewer: Viewer) -> None:
    assert viewer.url.startswith("http://127.0.0.1:") and viewer.server.request_share_url() is None
    with socket.create_connection(("127.0.0.1", viewer.server.get_port()), timeout=5):
        pass
