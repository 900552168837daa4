"""A page on this machine to draw zones and lines, on a frame of the video and on the ground seen from above."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import shapely

from configs.errors import InputError
from configs.json_files import parse_json
from pipeline.analytics.ground import Ground
from pipeline.analytics.shapes import Shape, Shapes, shapes_of_tree, write_shapes
from pipeline.analytics.trajectories import Trajectories

PAGE = Path(__file__).parents[1] / "data" / "zones" / "page.html"
BODY_BYTES_MAX = 2**20
WAYS_MAX = 200


@dataclass(frozen=True, slots=True)
class Scene:
    """What the page shows."""

    ground: Ground
    people: Trajectories
    shapes: Shapes
    bounds: tuple[float, float, float, float]  # of the map, metres
    frame_jpeg: bytes | None
    frame_size: tuple[int, int]  # width, height of the frames that the ground's focal length belongs to
    above_jpeg: bytes | None


def page_of(scene: Scene) -> str:
    """Return the page.

    Raises:
        InputError: the run does not know its ground.
    """
    image_from_ground = homography(scene.ground)
    back = np.linalg.inv(image_from_ground)
    below = back[2] @ (scene.frame_size[0] / 2, 10.0 * scene.frame_size[1], 1.0)  # far below any horizon
    ways = [scene.people.xy_m[span][:: max(1, (span.stop - span.start) // 60)] for _, span in scene.people.spans()]
    listed = [*scene.shapes.zones, *scene.shapes.lines]
    if scene.shapes.area is not None:
        listed.append(Shape("walkable area", "area", scene.shapes.area))
    given = {
        "image_from_ground": image_from_ground.tolist(),
        "ground_from_image": back.tolist(),
        "ahead": 1,
        "horizon": back[2].tolist(),
        "horizon_sign": 1 if below > 0 else -1,
        "bounds": scene.bounds,
        "frame": _data_url(scene.frame_jpeg),
        "frame_size": scene.frame_size,
        "above": _data_url(scene.above_jpeg),
        "ways": [way.round(2).tolist() for way in ways[:WAYS_MAX]],
        "shapes": [{"name": each.name, "kind": each.kind, "points": _corners(each)} for each in listed],
    }
    text = json.dumps(given, separators=(",", ":")).replace("<", "\\u003c")
    return PAGE.read_text("utf-8").replace("GIVEN", text)


def homography(ground: Ground) -> np.ndarray:
    """Return the matrix (3, 3) from places on the ground to pixels; positive third number in front of the camera.

    Raises:
        InputError: the ground is not known.
    """
    if ground.height_m is None or ground.focal_px is None:
        raise InputError(f"zones cannot be drawn: {ground.reason or 'the run does not say where the ground is'}")
    turn, camera = ground.world_from_cam[:3, :3].T, ground.world_from_cam[:3, 3]
    plane = np.column_stack([turn[:, 0], turn[:, 1], turn @ (np.array([0, 0, ground.height_m]) - camera)])
    x, y = ground.principal_px
    return np.array([[ground.focal_px, 0, x], [0, ground.focal_px, y], [0, 0, 1]]) @ plane


def _corners(shape: Shape) -> list[list[float]]:
    points = shapely.get_coordinates(shape.geometry if shape.kind == "line" else shape.geometry.exterior)
    return [[float(x), float(y)] for x, y in (points if shape.kind == "line" else points[:-1]).tolist()]


def _data_url(data: bytes | None) -> str | None:
    return None if data is None else f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def shapes_drawn(tree: Any) -> Shapes:
    """Return the shapes that the page sends, metres.

    Raises:
        InputError: they are not of the page's form, or one is no shape.
    """
    try:
        features = [
            {
                "properties": {"name": str(each["name"]), "kind": str(each["kind"])},
                "geometry": {
                    "type": "LineString" if each["kind"] == "line" else "Polygon",
                    "coordinates": each["points"] if each["kind"] == "line" else [each["points"]],
                },
            }
            for each in tree["shapes"]
        ]
    except (TypeError, KeyError) as error:
        raise InputError(f"the page sent something else than shapes ({error})") from error
    return shapes_of_tree({"type": "FeatureCollection", "features": features})


class ZonesServer:
    """Serves the page on this machine alone, until it says that it is done."""

    def __init__(self, scene: Scene, target: Path, port: int = 0) -> None:
        """Args: target: file that shapes are saved to; port: 0 takes a free one."""
        self._token = secrets.token_urlsafe(16)
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", port), _handler(page_of(scene), target, self._token, self.stop)
        )
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The address of the page; who does not know its token gets nothing."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/?token={self._token}"

    def serve(self) -> None:
        """Answer until the page is done, or until Ctrl-C."""
        with self._server:
            self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """End `serve`, soon."""
        Thread(target=self._server.shutdown, daemon=True).start()


def _handler(page: str, target: Path, token: str, stop: Callable[[], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._is_allowed() and urlsplit(self.path).path == "/":
                self._answer(HTTPStatus.OK, page, "text/html")

        def do_POST(self) -> None:
            if not self._is_allowed() or urlsplit(self.path).path != "/save":
                return
            size = int(self.headers.get("content-length") or 0)
            if not 0 < size <= BODY_BYTES_MAX:
                self._answer(HTTPStatus.BAD_REQUEST, "nothing, or too much, to save")
                return
            try:
                tree = parse_json(self.rfile.read(size), "shapes")
                shapes = shapes_drawn(tree)
                write_shapes(target, shapes)
            except (InputError, OSError) as error:
                self._answer(HTTPStatus.BAD_REQUEST, str(error))
                return
            count = len(shapes.zones) + len(shapes.lines)
            self._answer(HTTPStatus.OK, f"saved {count} zones and lines to {target}")
            if isinstance(tree, dict) and tree.get("is_last"):
                stop()

        def _is_allowed(self) -> bool:
            host = (self.headers.get("host") or "").partition(":")[0]
            given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
            if host in ("127.0.0.1", "localhost") and secrets.compare_digest(given.encode(), token.encode()):
                return True
            self._answer(HTTPStatus.FORBIDDEN, "open the address that the command printed")
            return False

        def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("content-type", f"{kind}; charset=utf-8")
            self.send_header("content-length", str(len(data)))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
