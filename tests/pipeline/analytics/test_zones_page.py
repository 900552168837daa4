"""The page for drawing zones: what it serves, what it saves, and, marked slow, in a real browser."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import shapely

from configs.errors import InputError
from pipeline.analytics import zones_page
from pipeline.analytics.ground import Ground
from pipeline.analytics.shapes import Shape, Shapes, read_shapes
from pipeline.analytics.trajectories import Trajectories
from pipeline.analytics.zones_page import Scene, ZonesServer, homography, page_of

CAMERA = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 2.0], [0, 0, 0, 1]])  # 2 m up, level, looks along y
GROUND = Ground(CAMERA, 0.0, True, "", True, 500.0, np.array([320.0, 180.0]))
SQUARE = [[0, 4], [2, 4], [2, 8], [0, 8]]


@pytest.fixture(name="scene")
def make_scene(walkers: Trajectories) -> Scene:
    zone = Shape("shop", "zone", shapely.Polygon(SQUARE))
    return Scene(GROUND, walkers, Shapes((zone,)), (-2.0, 2.0, 6.0, 12.0), None, (640, 360), None)


@pytest.fixture(name="server")
def make_server(scene: Scene, tmp_path: Path) -> Iterator[ZonesServer]:
    server = ZonesServer(scene, tmp_path / "zones.json")
    thread = Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join(timeout=10)


def post(url: str, value: object) -> tuple[int, str]:
    request = urllib.request.Request(url.replace("/?", "/save?"), json.dumps(value).encode(), method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_homography_is_the_projection() -> None:
    places = np.array([[0.0, 5.0], [2.0, 10.0], [-1.0, 4.0]])
    found = np.column_stack([places, np.ones(3)]) @ homography(GROUND).T
    assert (found[:, 2] > 0).all()
    np.testing.assert_allclose(found[:, :2] / found[:, 2:], GROUND.project(places))


def test_the_page_is_served_to_who_has_the_token_alone(server: ZonesServer) -> None:
    with urllib.request.urlopen(server.url) as answer:
        assert "shop" in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(server.url.partition("?")[0])
    request = urllib.request.Request(server.url, headers={"host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_shapes_are_saved_as_a_file_that_analyze_reads(server: ZonesServer, tmp_path: Path) -> None:
    drawn = [
        {"name": "queue", "kind": "queue", "points": SQUARE},
        {"name": "door", "kind": "line", "points": [[0, 5], [2, 5]]},
        {"name": "area", "kind": "area", "points": [[-5, 0], [5, 0], [5, 20], [-5, 20]]},
    ]
    status, text = post(server.url, {"shapes": drawn})
    assert status == 200 and "saved 2" in text
    found = read_shapes([tmp_path / "zones.json"], None)
    assert [zone.kind for zone in found.zones] == ["queue"] and found.lines[0].name == "door"
    assert found.area is not None and found.area.area == 200


@pytest.mark.parametrize(
    "value, message",
    [
        ({}, "something else than shapes"),
        ({"shapes": [{"name": "a", "kind": "zone", "points": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}, "Self-intersection"),
        ({"shapes": [{"name": "a", "kind": "tent", "points": SQUARE}]}, "tent"),
    ],
)
def test_what_is_no_shape_is_said_and_not_saved(
    value: object, message: str, server: ZonesServer, tmp_path: Path
) -> None:
    status, text = post(server.url, value)
    assert status == 400 and message in text and not (tmp_path / "zones.json").exists()


def test_a_run_without_a_ground_cannot_be_drawn_on(scene: Scene) -> None:
    nowhere = Ground(CAMERA, None, False, "nobody stands", None, None, np.zeros(2))
    with pytest.raises(InputError, match="nobody stands"):
        page_of(Scene(nowhere, scene.people, Shapes(), scene.bounds, None, (640, 360), None))


CLICKS = """<script>
const at = (svg, x, y, type, detail) => {
  const place = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
  svg.dispatchEvent(new MouseEvent(type, {clientX: place.x, clientY: place.y, detail, bubbles: true}));
};
setTimeout(async () => {
  const frame = document.getElementById("frame"), above = document.getElementById("above");
  for (const [x, y] of [[220, 305], [420, 305], [370, 243], [270, 243]]) at(frame, x, y, "click", 1);
  document.getElementById("name").value = "drawn on the frame";
  document.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}));
  document.getElementById("kind").value = "line";
  at(above, 100, 500, "click", 1);
  at(above, 500, 500, "click", 1);
  at(above, 500, 500, "dblclick", 2);
  at(frame, 320, 20, "click", 1);  // above the horizon: no point
  const horizon = document.getElementById("said").textContent;
  document.getElementById("done").click();
  const said = () => document.getElementById("said").textContent;
  const end = () => document.body.setAttribute("data-said", `${horizon}; ${said()}`);
  setTimeout(end, 500);
}, 200);
</script></body>"""


@pytest.mark.slow
@pytest.mark.spawns
def test_shapes_are_drawn_and_saved_in_a_real_browser(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser")
    monkeypatch.setattr(zones_page, "page_of", lambda scene: page_of(scene).replace("</body>", CLICKS))
    server = ZonesServer(scene, tmp_path / "zones.json")
    thread = Thread(target=server.serve)
    thread.start()
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
    more = ("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000", "--dump-dom")
    command = [browser, *flags, *more, f"--user-data-dir={tmp_path / 'profile'}", server.url]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    thread.join(timeout=20)
    assert not thread.is_alive(), "its last button ends the command"
    assert 'data-said="this lies above the horizon of the ground; saved 3' in page
    found = read_shapes([tmp_path / "zones.json"], None)
    drawn = next(zone for zone in found.zones if zone.name == "drawn on the frame")
    expected = GROUND.cast(np.array([[220, 305], [420, 305], [370, 243], [270, 243]]))
    np.testing.assert_allclose(drawn.geometry.exterior.coords[:4], expected, rtol=0.03)  # a click is a whole pixel
    np.testing.assert_allclose(found.lines[0].geometry.coords, [[-1, 7], [3, 7]], atol=0.05)
