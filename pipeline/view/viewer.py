"""The viewer: a run in the browser of this machine. Bodies are skinned there; only their bones travel."""

import io
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import viser

from configs.skeletons import SMPL_PARENTS
from pipeline.overlay.palette import dimmed, identity_colours
from pipeline.view.footage import Footage
from pipeline.view.scene import Scene, ScenePerson

UPDATES_HZ = 30.0
IMAGES_HZ = 8.0  # of the cameras' frames: each is decoded, sent and unpacked
BUSY_SHARE = 0.7  # of the time that updates may take: the rest is for what the user does
REFINED, SEEN, FILLED = (77, 158, 242), (242, 153, 51), (158, 158, 168)
LOW, MIDDLE, HIGH = np.array([(214, 94, 0), (204, 184, 166), (0, 115, 178)], np.float64)  # of confidence
SIGHT_RAD = np.deg2rad(45.0)
BONES = np.array([(joint, parent) for joint, parent in enumerate(SMPL_PARENTS) if parent >= 0])
TRAIL_POINTS = 400
UPRIGHT = (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)  # y up becomes z up
BESIDE_MAX_M = 6.0  # from somebody to the same person without refinement
FRUSTUM_M = 0.6


@dataclass(slots=True)
class Figure:
    """One body in the browser."""

    person: ScenePerson
    shift_m: np.ndarray  # (3,) by which it stands beside where it was
    mesh: Any
    sticks: Any
    label: Any
    trail: Any
    is_raw: bool


class Viewer:
    """A server with one scene; `close` ends it."""

    def __init__(
        self, scene: Scene, footage: Footage, find_raw: Callable[[], Scene | None], title: str, host: str, port: int
    ) -> None:
        """Serve a scene.

        Args:
            find_raw: makes the same people without refinement; it takes seconds and is called when they are wanted.
        """
        self.scene, self.footage, self.title, self._find_raw = scene, footage, title, find_raw
        with redirect_stdout(io.StringIO()):  # it prints a table of addresses
            self.server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
        # It would open a way in from outside.
        self.server.request_share_url = lambda verbose=True: None  # type: ignore[method-assign]
        self.start_s, self.end_s = scene.span_s
        self.time_s, self.is_playing, self._image_s = self.start_s, False, -np.inf
        self.followed: int | None = None
        self._target: np.ndarray | None = None
        self._is_open = True
        self._build_room()
        self.figures = [self._add(person, np.zeros(3), is_raw=False) for person in scene.people]
        self._build_controls()
        self.show(self.start_s)
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{self.server.get_host()}:{self.server.get_port()}"

    def wait(self) -> None:
        """Return when it is closed."""
        self._thread.join()

    def close(self) -> None:
        """End the server."""
        self._is_open = False
        self._thread.join(timeout=5)
        self.server.stop()

    def _build_room(self) -> None:
        scene, floor = self.scene, self.scene.floor.z_m
        scene_api = self.server.scene
        scene_api.set_up_direction("+z")
        scene_api.configure_environment_map(None)  # a photo, which slow computers unpack for a minute
        scene_api.add_light_hemisphere("/light", intensity=2.5, ground_color=(120, 120, 130), wxyz=UPRIGHT)
        scene_api.add_grid(
            "/floor", 60.0, 60.0, cell_size=1.0, section_size=5.0, position=(0.0, 0.0, floor), fade_distance=60.0,
            cell_color=(150, 156, 166), section_color=(90, 96, 108), shadow_opacity=0.25,
        )  # fmt: skip
        self.cameras: dict[str, Any] = {}
        for camera in scene.cameras:
            half = camera.half_extent
            turn = viser.transforms.SO3.from_matrix(camera.world_from_cam[:3, :3])
            self.cameras[camera.name] = scene_api.add_camera_frustum(
                f"/camera/{camera.name or 'camera'}", fov=2 * float(np.arctan(half[1])), aspect=half[0] / half[1],
                scale=FRUSTUM_M, color=(60, 64, 72), wxyz=turn.wxyz, position=camera.world_from_cam[:3, 3],
            )  # fmt: skip
        places = [person.pelvis_m for person in scene.people]
        low, high = np.percentile(np.concatenate(places), (2, 98), axis=0) if places else (np.zeros(3), np.ones(3))
        middle = np.array([*((low + high) / 2)[:2], floor + 0.9])
        radius = float(np.linalg.norm((high - low)[:2])) / 2 + 1.5
        back = (
            scene.cameras[0].world_from_cam[:3, 3] - middle if len(scene.cameras) == 1 else np.array([0.0, -1.0, 0.0])
        )
        back = np.array([*back[:2], 0.0]) / (np.linalg.norm(back[:2]) or 1.0)
        start = self.server.initial_camera
        start.fov, start.look_at = SIGHT_RAD, middle
        start.position = middle + (back + np.array([0.0, 0.0, 0.45])) * radius / np.sin(SIGHT_RAD / 2)

    def _add(self, person: ScenePerson, shift: np.ndarray, *, is_raw: bool) -> Figure:
        api, name = self.server.scene, f"/{'raw' if is_raw else 'person'}/{person.id}"
        red, green, blue = (int(value) for value in identity_colours(np.array([person.id]))[0])
        colour = (red, green, blue)
        rest = np.zeros((24, 4))
        rest[:, 0] = 1.0
        mesh = api.add_mesh_skinned(
            f"{name}/body", person.rest_vertices, self.scene.faces, bone_wxyzs=rest, bone_positions=person.rest_joints,
            skin_weights=self.scene.weights, color=colour,
        )  # fmt: skip
        mesh.on_click(lambda _: self._follow(person.id))
        step = max(1, len(person.pelvis_m) // TRAIL_POINTS)
        way = person.pelvis_m[::step].copy() + shift
        way[:, 2] = self.scene.floor.z_m + 0.01
        pieces = np.stack([way[:-1], way[1:]], axis=1) if len(way) > 1 else np.zeros((0, 2, 3))
        trail = api.add_line_segments(f"{name}/trail", pieces, colour, thickness=0.03) if len(pieces) else None
        sticks = api.add_line_segments(f"{name}/skeleton", np.zeros((len(BONES), 2, 3)), colour, thickness=0.04)
        label = api.add_label(f"{name}/label", f"{person.id}{' raw' if is_raw else ''}", anchor="bottom-center")
        return Figure(person, shift, mesh, sticks, label, trail, is_raw)

    def _build_controls(self) -> None:
        gui = self.server.gui
        gui.configure_theme(show_logo=False, show_share_button=False)
        gui.add_markdown(f"**{_plain(self.title)}**")
        self.play: Any = gui.add_button("Play")
        end = max(self.end_s, self.start_s + 0.01)
        self.slider: Any = gui.add_slider("Time, s", self.start_s, end, 0.01, self.start_s)
        self.speed: Any = gui.add_dropdown("Speed", ("1", "0.25", "0.5", "2", "4"))
        self.mode: Any = gui.add_dropdown("Show", ("bodies", "skeletons"))
        self.colours: Any = gui.add_dropdown("Colour", ("by person", "seen, filled in, refined", "by confidence"))
        self.has_trails: Any = gui.add_checkbox("Paths on the floor", True)
        self.has_images: Any = gui.add_checkbox("Video in the cameras", True)
        self.has_raw: Any = gui.add_checkbox("Unrefined motion beside it", False)
        self.follow: Any = gui.add_dropdown("Follow", ("nobody", *(str(each.person.id) for each in self._refined())))
        self.shown: dict[int, Any] = {}
        with gui.add_folder("People", expand_by_default=len(self.scene.people) <= 12):
            for person in self.scene.people:
                self.shown[person.id] = gui.add_checkbox(f"Person {person.id}", True)
        self.play.on_click(lambda _: self.set_playing(not self.is_playing))
        self.slider.on_update(lambda event: self.show(self.slider.value) if event.client is not None else None)
        again: Callable[[Any], None] = lambda _: self.show(self.time_s)  # noqa: E731
        for control in (self.mode, self.colours, self.has_trails, self.has_images, *self.shown.values()):
            control.on_update(again)
        self.has_raw.on_update(lambda _: self._show_raw())
        self.follow.on_update(lambda _: self._follow(None if self.follow.value == "nobody" else int(self.follow.value)))

    def _show_raw(self) -> None:
        """Show or hide the motion before refinement; it is made when it is first asked for."""
        if self.has_raw.value and not any(each.is_raw for each in self.figures):
            self.has_raw.disabled = True
            raw = self._find_raw()
            if raw is None:
                self.has_raw.value, self.has_raw.label = False, "Unrefined motion: this run has none"
                return
            across = np.concatenate([person.pelvis_m[:, 0] for person in raw.people])
            width = float(np.ptp(np.percentile(across, (5, 95))))  # a wild frame must not send them away
            beside = np.array([-min(width + 1.0, BESIDE_MAX_M), 0.0, 0.0])
            self.figures += [self._add(person, beside, is_raw=True) for person in raw.people]
            self.has_raw.disabled = False
        self.show(self.time_s)

    def _refined(self) -> list[Figure]:
        return [each for each in self.figures if not each.is_raw]

    def _follow(self, person: int | None) -> None:
        self.followed, self._target = person, None
        self.follow.value = "nobody" if person is None else str(person)

    def set_playing(self, is_playing: bool) -> None:
        """Start or stop the time."""
        if is_playing and self.time_s >= self.end_s - 0.05:
            self.time_s = self.start_s
        self.is_playing, self.play.label = is_playing, "Pause" if is_playing else "Play"

    def show(self, time_s: float) -> None:
        """Show everybody as they are at a time of the video, in seconds."""
        self.time_s = float(np.clip(time_s, self.start_s, self.end_s))
        with self.server.atomic():
            if abs(self.slider.value - self.time_s) > 0.005:
                self.slider.value = self.time_s
            for figure in self.figures:
                self._place(figure)
        self._show_images()

    def _place(self, figure: Figure) -> None:
        person, times = figure.person, figure.person.time_s[: len(figure.person.pose)]
        row = int(np.clip(np.searchsorted(times, self.time_s), 0, len(times) - 1))
        row -= row > 0 and self.time_s - times[row - 1] < times[row] - self.time_s
        is_here = times[0] - 0.05 <= self.time_s <= times[-1] + 0.05
        is_asked = self.shown[person.id].value and (self.has_raw.value or not figure.is_raw)
        is_mesh, is_shown = self.mode.value == "bodies", bool(is_here and is_asked)
        figure.mesh.visible, figure.sticks.visible = is_shown and is_mesh, is_shown and not is_mesh
        figure.label.visible = is_shown
        if figure.trail is not None:
            figure.trail.visible = bool(is_asked and self.has_trails.value)
        if not is_shown:
            return
        turns, places = person.bones(slice(row, row + 1))
        spots, colour = places[0] + figure.shift_m, self._colour(person, row)
        figure.label.position = spots[15] + (0.0, 0.0, 0.25)
        if is_mesh:
            figure.mesh.color = colour
            for bone, wxyz, spot in zip(figure.mesh.bones, turns.as_quat(scalar_first=True), spots, strict=True):
                bone.wxyz, bone.position = wxyz, spot
        else:
            figure.sticks.points = spots[BONES].astype(np.float32)
            figure.sticks.colors = np.broadcast_to(np.array(colour, np.uint8), (len(BONES), 2, 3))
        if person.id == self.followed and not figure.is_raw:
            self._move_cameras(spots[0])

    def _colour(self, person: ScenePerson, row: int) -> tuple[int, ...]:
        own = identity_colours(np.array([person.id]))
        if self.colours.value == "by confidence":
            share = 2 * float(np.clip(person.confidence[row], 0, 1))
            mixed = LOW + (MIDDLE - LOW) * share if share < 1 else MIDDLE + (HIGH - MIDDLE) * (share - 1)
            return tuple(round(float(v)) for v in mixed)
        if self.colours.value != "by person":
            return FILLED if not person.is_observed[row] else REFINED if person.is_refined[row] else SEEN
        return tuple(int(v) for v in (own if person.is_observed[row] else dimmed(own))[0])

    def _move_cameras(self, target: np.ndarray) -> None:
        moved = np.zeros(3) if self._target is None else target - self._target
        for client in self.server.get_clients().values():
            camera = client.camera
            camera.position, camera.look_at = camera.position + moved, target
        self._target = target

    def _show_images(self) -> None:
        if not self.has_images.value:
            for handle in self.cameras.values():
                handle.image = None
            self._image_s = -np.inf
            return
        now = time.monotonic()
        if self.is_playing and now - self._image_s < 1 / IMAGES_HZ:
            return
        self._image_s = now
        for name, handle in self.cameras.items():
            handle.image = self.footage.at(name, self.time_s)

    def _play(self) -> None:
        last = time.monotonic()
        while self._is_open:
            now = time.monotonic()
            if self.is_playing:
                self.show(self.time_s + (now - last) * float(self.speed.value))
                if self.time_s >= self.end_s:
                    self.set_playing(False)
            last, spent = now, time.monotonic() - now
            time.sleep(max(1 / UPDATES_HZ - spent, spent * (1 - BUSY_SHARE) / BUSY_SHARE, 0.005))


def _plain(title: str) -> str:
    """Return a title of which nothing is markup."""
    return "".join(f"\\{letter}" if not letter.isalnum() and letter.isascii() else letter for letter in title)
