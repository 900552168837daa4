"""Draws bodies with OpenCV's rasteriser, which runs on any CPU without a display and lets other threads run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from configs.checks import Shaped, check_shape
from pipeline.overlay.detail import Detail, Surface

NEAR_M = 0.05  # what lies nearer to the camera, or behind it, has no place in the image
AMBIENT, DIFFUSE, GLOSS = 0.38, 0.62, 0.18
LIGHT = np.array([-0.45, -0.75, -0.55], np.float32)  # from above and left of the camera, towards the light
LIGHT /= np.linalg.norm(LIGHT)
BODIES_AT_ONCE = 128  # of one frame; each takes about 1 MB while it is drawn
FINER = 2  # times as many rows and columns of samples on outlines


@dataclass(frozen=True, slots=True)
class Rendering(Shaped):
    """Bodies as seen by one camera."""

    colour: Annotated[np.ndarray, "H", "W", 3]  # uint8 RGB, black where nobody is
    person: Annotated[np.ndarray, "H", "W"]  # int32, row of the person nearest to the camera, -1 = nobody
    coverage: Annotated[np.ndarray, "H", "W"]  # float32, share of the pixel that bodies cover
    depth_m: Annotated[np.ndarray, "H", "W"]  # float32, infinite where nobody is


@dataclass(frozen=True, slots=True)
class _Window:
    """A part of the image, sampled `finer` times as densely as it has pixels."""

    left: int
    top: int
    width: int  # pixels of the image
    height: int
    finer: int = 1


class _Canvas:
    """Brightness, person and depth of the samples of a window, after all that was drawn on it."""

    def __init__(self, window: _Window, focal_px: float, principal_px: np.ndarray, far_m: float) -> None:
        self.window = window
        size = (window.height * window.finer, window.width * window.finer)
        # What the rasteriser carries from corners to samples: brightness, and 1 + row of the person.
        self.values = np.zeros((*size, 3), np.float32)
        self.depth_m = np.full(size, far_m, np.float32)
        self._far_m = far_m
        self._fov_rad = 2.0 * math.atan(window.height / 2.0 / focal_px)
        middle = np.array([window.left + window.width / 2.0, window.top + window.height / 2.0])
        self._shift = ((principal_px - middle) / focal_px).astype(np.float32)
        self._settings = cv2.TriangleRasterizeSettings()
        self._settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
        self._settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)

    def draw(self, mesh: "_Mesh", faces: np.ndarray) -> None:
        """Draw some faces (F, 3) of a mesh over what is there, where they are nearer."""
        placed = mesh.vertices.copy()  # y and z of this rasteriser are those of OpenGL
        placed[:, :2] += self._shift * placed[:, 2:]
        placed[:, 1:] *= -1.0
        cv2.triangleRasterize(
            placed, faces, mesh.values, self.values, self.depth_m, np.eye(4), self._fov_rad, NEAR_M / 2, self._far_m,
            self._settings,
        )  # fmt: skip

    @property
    def person(self) -> np.ndarray:
        """Row of the nearest person of each sample, -1 where nobody is."""
        return np.rint(self.values[..., 1]).astype(np.int32) - 1


@dataclass(frozen=True, slots=True)
class _Mesh:
    """People in one common camera, ready to be drawn."""

    vertices: np.ndarray  # (N V, 3) float32, metres
    values: np.ndarray  # (N V, 3) float32, see `_Canvas`
    faces: np.ndarray  # (F, 3) int32, those that look towards the camera


class BodyRenderer:
    """Renders any number of bodies that share one mesh."""

    def __init__(self, detail: Detail, width: int, height: int) -> None:
        """Prepare for closed meshes of some levels of detail."""
        self.width, self.height = width, height
        self._detail = detail

    def render(
        self, vertices: np.ndarray, colours: np.ndarray, focal_px: np.ndarray, principal_px: np.ndarray
    ) -> Rendering:
        """Draw people; whoever is nearer hides whoever is behind. A crowd is drawn in groups, for the memory it takes.

        Args:
            vertices: (N, V, 3) metres, camera axes. People whose vertices are not finite are left out.
            colours: (N, 3) uint8 RGB.
            focal_px: (N,) focal length of each person's own camera.
            principal_px: (N, 2) principal point of each person's own camera, pixel corners at whole numbers.
        """
        check_shape("vertices", vertices, ("N", "V", 3))
        people = len(vertices)
        check_shape("colours", colours, (people, 3))
        check_shape("focal_px", focal_px, (people,))
        check_shape("principal_px", principal_px, (people, 2))
        depths = vertices[..., 2]
        visible = np.flatnonzero(np.isfinite(vertices).all(axis=(1, 2)) & (depths.max(axis=1, initial=0.0) > NEAR_M))
        if not len(visible):
            return self._empty()
        levels = self._detail.choose(depths.min(axis=1), focal_px)
        focal, principal = float(focal_px[visible[0]]), principal_px[visible[0]].astype(np.float64)

        def posed(group: np.ndarray) -> _Mesh:
            """Return some people in one mesh: every call of the rasteriser goes over the whole canvas."""
            parts = []
            for level in np.unique(levels[group]):
                rows, surface = group[levels[group] == level], self._detail[level]
                points = vertices[rows[:, None], surface.rows]
                parts.append(_posed(surface, points, rows, focal_px[rows], principal_px[rows], focal, principal))
            return _joined(parts)

        groups = [visible[start : start + BODIES_AT_ONCE] for start in range(0, len(visible), BODIES_AT_ONCE)]
        held: list[_Mesh] = []

        def meshes() -> Iterator[_Mesh]:
            for group in groups:
                if not held or len(groups) > 1:
                    held[:] = [posed(group)]
                yield held[0]

        far = 1.01 * float(depths[visible].max()) + NEAR_M
        canvas = _Canvas(_Window(0, 0, self.width, self.height), focal, principal, far)
        for mesh in meshes():
            canvas.draw(mesh, mesh.faces)
        person = canvas.person
        pixels = np.flatnonzero(person.ravel() >= 0)
        colour = np.zeros((self.height, self.width, 3), np.uint8)
        shown = person.ravel()[pixels]
        colour.reshape(-1, 3)[pixels] = _painted(colours[shown], canvas.values.reshape(-1, 3)[pixels, 0])
        coverage = (person >= 0).astype(np.float32)
        depth_m = np.where(person >= 0, canvas.depth_m, np.float32(np.inf))
        outline = _outline(person)
        window = _bounds(outline)
        if window is not None:
            fine = _Canvas(window, focal, principal, far)
            for mesh in meshes():
                fine.draw(mesh, _faces_on(outline, mesh, focal, principal))
            _smooth(fine, outline, colours, colour, coverage)
        return Rendering(colour, person, coverage, depth_m)

    def _empty(self) -> Rendering:
        size = (self.height, self.width)
        return Rendering(
            np.zeros((*size, 3), np.uint8),
            np.full(size, -1, np.int32),
            np.zeros(size, np.float32),
            np.full(size, np.inf, np.float32),
        )


def _posed(
    surface: Surface,
    vertices: np.ndarray,
    rows: np.ndarray,
    focal_px: np.ndarray,
    principal_px: np.ndarray,
    common_focal_px: float,
    common_principal_px: np.ndarray,
) -> _Mesh:
    """Return people whose vertices (N, U, 3) are those of a surface; `rows` (N,) is what the canvas calls them."""
    people, count = vertices.shape[:2]
    axes = np.ascontiguousarray(vertices.transpose(2, 0, 1), np.float32)
    normals, corners = surface.face_normals(axes)
    values = np.zeros((people, count, 3), np.float32)
    values[..., 0] = _shade(axes, surface.vertex_normals(normals))
    values[..., 1] = rows[:, None] + 1
    # Half of a closed surface looks away from the camera.
    towards = np.flatnonzero((normals * corners).sum(axis=0) < 0)
    faces = (surface.faces + (np.arange(people, dtype=np.int32) * count)[:, None, None]).reshape(-1, 3)
    moved = common_camera(vertices, focal_px, principal_px, common_focal_px, common_principal_px)
    return _clipped(_Mesh(moved.reshape(-1, 3), values.reshape(-1, 3), faces.take(towards, axis=0)))


def _joined(parts: list[_Mesh]) -> _Mesh:
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = [part.faces + np.int32(start) for part, start in zip(parts, starts, strict=False)]
    vertices, values = ([getattr(part, name) for part in parts] for name in ("vertices", "values"))
    return _Mesh(np.concatenate(vertices), np.concatenate(values), np.concatenate(faces))


def _clipped(mesh: _Mesh) -> _Mesh:
    """Return a mesh without what lies nearer than `NEAR_M`; the rasteriser drops faces that reach through it."""
    depth = mesh.vertices[:, 2]
    if depth.min(initial=np.inf) > NEAR_M:
        return mesh
    is_ahead = (depth > NEAR_M).take(mesh.faces)
    count = is_ahead.sum(axis=1)
    vertices, values, faces = [mesh.vertices], [mesh.values], [mesh.faces[count == 3]]
    start = len(depth)
    for ahead in (1, 2):  # of three corners; the one that differs from both others comes first
        cut = mesh.faces[count == ahead]
        lone = (is_ahead[count == ahead] == (ahead == 1)).argmax(axis=1)
        first, second, third = (cut[np.arange(len(cut)), (lone + step) % 3] for step in range(3))
        for other in (second, third):
            share = ((NEAR_M - depth[first]) / (depth[other] - depth[first]))[:, None]
            vertices.append(mesh.vertices[first] + share * (mesh.vertices[other] - mesh.vertices[first]))
            values.append(mesh.values[first] + share * (mesh.values[other] - mesh.values[first]))
        one = start + np.arange(len(cut), dtype=np.int32)
        two = one + np.int32(len(cut))
        start += 2 * len(cut)
        made = [(first, one, two)] if ahead == 1 else [(one, second, third), (one, third, two)]
        faces += [np.stack(corners, axis=1) for corners in made]
    return _Mesh(np.concatenate(vertices), np.concatenate(values), np.concatenate(faces).astype(np.int32))


def _painted(colours: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Return colours (P, 3) uint8 in a light (P,)."""
    return np.round(np.clip(colours * brightness[:, None], 0.0, 255.0)).astype(np.uint8)


def _outline(person: np.ndarray) -> np.ndarray:
    """Return which pixels (H, W) lie beside one that shows somebody else, or nobody."""
    outline = np.zeros(person.shape, bool)
    across = person[:, 1:] != person[:, :-1]
    down = person[1:] != person[:-1]
    outline[:, 1:] |= across
    outline[:, :-1] |= across
    outline[1:] |= down
    outline[:-1] |= down
    return outline


def _bounds(mask: np.ndarray) -> _Window | None:
    """Return the part of an image (H, W) that holds all that is true, for the samples on outlines."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    size = int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1
    return _Window(int(columns[0]), int(rows[0]), *size, finer=FINER)


def _smooth(fine: _Canvas, outline: np.ndarray, colours: np.ndarray, colour: np.ndarray, coverage: np.ndarray) -> None:
    """Replace pixels on outlines by the mean over their samples, in place."""
    pixels = np.flatnonzero(outline)
    rows, columns = np.divmod(pixels, outline.shape[1])
    corner = FINER * ((rows - fine.window.top) * fine.values.shape[1] + columns - fine.window.left)
    steps = np.arange(FINER)
    samples = corner[:, None] + (steps[:, None] * fine.values.shape[1] + steps).ravel()
    values = fine.values.reshape(-1, 3).take(samples, axis=0)  # `take` copies what is not in one piece, all of it
    person = np.rint(values[..., 1]).astype(np.int32) - 1
    met = person >= 0
    brightness = np.where(met, values[..., 0], np.float32(0))
    painted = np.minimum(colours.astype(np.float32).take(person, axis=0) * brightness[..., None], np.float32(255))
    count = met.sum(axis=1)
    colour.reshape(-1, 3)[pixels] = np.round(painted.sum(axis=1) / np.maximum(count, 1)[:, None]).astype(np.uint8)
    coverage.ravel()[pixels] = count / np.float32(FINER**2)


def _faces_on(outline: np.ndarray, mesh: _Mesh, focal_px: float, principal_px: np.ndarray) -> np.ndarray:
    """Return the faces (F, 3) of a mesh that may be seen in pixels of an outline (H, W)."""
    height, width = outline.shape
    # True pixels above and to the left: (H + 1) * (W + 1)
    count = cv2.integral(outline.view(np.uint8)).ravel()
    depth = np.maximum(mesh.vertices[:, 2:], NEAR_M)
    points = mesh.vertices[:, :2] * (np.float32(focal_px) / depth) + principal_px.astype(np.float32)
    low, high = [], []
    for axis, limit in enumerate((width, height)):
        first, second, third = (np.clip(points[:, axis], 0, limit).take(mesh.faces[:, corner]) for corner in range(3))
        low.append(np.minimum(np.minimum(first, second), third).astype(np.int32))
        high.append(np.minimum(np.maximum(np.maximum(first, second), third).astype(np.int32) + 1, limit))
    top, bottom = low[1] * (width + 1), high[1] * (width + 1)
    inside = count.take(bottom + high[0]) - count.take(top + high[0])
    inside += count.take(top + low[0]) - count.take(bottom + low[0])
    return mesh.faces.take(np.flatnonzero(inside), axis=0)


def common_camera(
    vertices: np.ndarray,
    focal_px: np.ndarray,
    principal_px: np.ndarray,
    common_focal_px: float,
    common_principal_px: np.ndarray,
) -> np.ndarray:
    """Return vertices (N, V, 3) moved sideways so that one camera shows each where its own camera did.

    Depth stays, and so do straight lines: with x' = (f x + (c - c0) z) / f0, f0 x' / z + c0 = f x / z + c.
    """
    moved = np.empty(vertices.shape, np.float32)
    offset = ((principal_px - common_principal_px) / common_focal_px)[:, None].astype(np.float32)
    scale = (focal_px / common_focal_px)[:, None, None].astype(np.float32)
    moved[..., :2] = vertices[..., :2] * scale + offset * vertices[..., 2:]
    moved[..., 2] = vertices[..., 2]
    return moved


def _shade(vertices: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return brightness (N, V): Lambert's law for a light beside the camera, and a highlight (Blinn 1977).

    Args:
        vertices, normals: (3, N, V).
    """
    light = LIGHT[:, None, None]
    half = light - vertices / np.maximum(_length(vertices), 1e-9)
    gloss = np.maximum((normals * half).sum(axis=0) / np.maximum(_length(half), 1e-9), 0.0)
    gloss = gloss**2
    gloss = gloss**2
    gloss = gloss**2  # the 8th power; `** 24` takes ten times as long
    lambert = np.maximum((normals * light).sum(axis=0), 0.0)
    result: np.ndarray = AMBIENT + DIFFUSE * lambert + GLOSS * gloss * gloss * gloss
    return result


def _length(vectors: np.ndarray) -> np.ndarray:
    """Return the length of vectors (3, ...)."""
    result: np.ndarray = np.sqrt((vectors * vectors).sum(axis=0))
    return result
