"""Draws bodies by casting rays with Embree, which runs on any CPU without a display."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.sparse import csr_array

from configs.checks import Shaped, check_shape

NEAR_M = 0.05  # what lies nearer to the camera, or behind it, has no place in the image
AMBIENT, DIFFUSE, GLOSS = 0.38, 0.62, 0.18
LIGHT = np.array([-0.45, -0.75, -0.55], np.float32)  # from above and left of the camera, towards the light
LIGHT /= np.linalg.norm(LIGHT)
BODIES_AT_ONCE = 128  # of one frame; each takes about 1.5 MB while it is drawn
SUBPIXELS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))


@dataclass(frozen=True, slots=True)
class Rendering(Shaped):
    """Bodies as seen by one camera."""

    colour: Annotated[np.ndarray, "H", "W", 3]  # uint8 RGB, black where nobody is
    person: Annotated[np.ndarray, "H", "W"]  # int32, row of the person nearest to the camera, -1 = nobody
    coverage: Annotated[np.ndarray, "H", "W"]  # float32, share of the pixel that bodies cover
    depth_m: Annotated[np.ndarray, "H", "W"]  # float32, infinite where nobody is


@dataclass(frozen=True, slots=True)
class Hits:
    """What rays met; rays that met nothing are left out."""

    ray: np.ndarray  # (P,) int64, which ray
    person: np.ndarray  # (P,) int32
    colour: np.ndarray  # (P, 3) float32, 0 to 255
    depth_m: np.ndarray  # (P,) float32


class BodyRenderer:
    """Renders any number of bodies that share one mesh topology."""

    def __init__(self, faces: np.ndarray, width: int, height: int) -> None:
        """Prepare for closed meshes with faces (F, 3) that turn counter-clockwise seen from outside."""
        check_shape("faces", faces, ("F", 3))
        self.width, self.height = width, height
        self._faces = np.ascontiguousarray(faces, np.int32)
        corners = self._faces.T.ravel()
        vertices = int(corners.max()) + 1
        face_of_corner = np.tile(np.arange(len(faces)), 3)
        self._vertex_from_face = csr_array(
            (np.ones(len(corners), np.float32), (corners, face_of_corner)), shape=(vertices, len(faces))
        )
        self._pixel_x, self._pixel_y = np.meshgrid(
            np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
        )

    def render(
        self, vertices: np.ndarray, colours: np.ndarray, focal_px: np.ndarray, principal_px: np.ndarray
    ) -> Rendering:
        """Draw people; whoever is nearer hides whoever is behind. A crowd is drawn in groups that are joined by depth.

        Args:
            vertices: (N, V, 3) metres, camera axes. People whose vertices are not finite are left out.
            colours: (N, 3) uint8 RGB.
            focal_px: (N,) focal length of each person's own camera.
            principal_px: (N, 2) principal point of each person's own camera, pixel corners at whole numbers.
        """
        check_shape("vertices", vertices, ("N", self._vertex_from_face.shape[0], 3))
        people = len(vertices)
        check_shape("colours", colours, (people, 3))
        check_shape("focal_px", focal_px, (people,))
        check_shape("principal_px", principal_px, (people, 2))
        visible = np.flatnonzero(np.isfinite(vertices).all(axis=(1, 2)))
        whole = self._draw(vertices, colours, focal_px, principal_px, visible[:BODIES_AT_ONCE])
        for start in range(BODIES_AT_ONCE, len(visible), BODIES_AT_ONCE):
            some = visible[start : start + BODIES_AT_ONCE]
            whole = join_by_depth(whole, self._draw(vertices, colours, focal_px, principal_px, some))
        return whole

    def _draw(
        self,
        vertices: np.ndarray,
        colours: np.ndarray,
        focal_px: np.ndarray,
        principal_px: np.ndarray,
        visible: np.ndarray,
    ) -> Rendering:
        """Draw the people in the rows `visible`."""
        size = (self.height, self.width)
        colour = np.zeros((*size, 3), np.float32)
        person = np.full(size, -1, np.int32)
        coverage = np.zeros(size, np.float32)
        depth_m = np.full(size, np.inf, np.float32)
        if len(visible):
            scene = _Scene(self, vertices[visible], colours[visible], focal_px[visible], principal_px[visible])
            pixels = np.flatnonzero(scene.pixels_in_reach())
            hits = scene.cast(self._pixel_x.ravel()[pixels], self._pixel_y.ravel()[pixels])
            met = pixels[hits.ray]
            colour.reshape(-1, 3)[met] = hits.colour
            person.ravel()[met] = visible[hits.person]
            coverage.ravel()[met] = 1.0
            depth_m.ravel()[met] = hits.depth_m
            self._smooth_outlines(scene, person, colour, coverage)
        return Rendering(np.round(colour).astype(np.uint8), person, coverage, depth_m)

    def face_normals(self, vertices: np.ndarray) -> np.ndarray:
        """Return outward normals (N, F, 3) of meshes (N, V, 3), as long as twice the area of the face."""
        first, second, third = (vertices[:, self._faces[:, corner]] for corner in range(3))
        return np.cross(second - first, third - first)

    def vertex_normals(self, face_normals: np.ndarray) -> np.ndarray:
        """Return unit normals (N, V, 3) from those of the faces: the mean over the faces around, weighted by area."""
        people, faces = face_normals.shape[:2]
        stacked = face_normals.transpose(1, 0, 2).reshape(faces, people * 3)
        normals = (self._vertex_from_face @ stacked).reshape(-1, people, 3).transpose(1, 0, 2)
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)

    @property
    def faces(self) -> np.ndarray:
        """Faces (F, 3) int32."""
        return self._faces

    def _smooth_outlines(self, scene: "_Scene", person: np.ndarray, colour: np.ndarray, coverage: np.ndarray) -> None:
        """Replace pixels on the outline of a person by the mean over four rays."""
        outline = np.zeros(person.shape, bool)
        across = person[:, 1:] != person[:, :-1]
        down = person[1:] != person[:-1]
        outline[:, 1:] |= across
        outline[:, :-1] |= across
        outline[1:] |= down
        outline[:-1] |= down
        pixels = np.flatnonzero(outline)
        x, y = self._pixel_x.ravel()[pixels], self._pixel_y.ravel()[pixels]
        count = len(pixels)
        hits = scene.cast(
            np.concatenate([x + dx for dx, _ in SUBPIXELS]).astype(np.float32),
            np.concatenate([y + dy for _, dy in SUBPIXELS]).astype(np.float32),
        )
        place = hits.ray % count if count else hits.ray
        met = np.bincount(place, minlength=count)
        total = np.stack([np.bincount(place, hits.colour[:, k], minlength=count) for k in range(3)], axis=-1)
        colour.reshape(-1, 3)[pixels] = total / np.maximum(met, 1)[:, None]
        coverage.ravel()[pixels] = met / len(SUBPIXELS)


class _Scene:
    """The people of one frame in one common camera, ready for rays."""

    def __init__(
        self,
        renderer: BodyRenderer,
        vertices: np.ndarray,
        colours: np.ndarray,
        focal_px: np.ndarray,
        principal_px: np.ndarray,
    ) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self._renderer = renderer
        count = vertices.shape[1]
        vertices = vertices.astype(np.float32)
        self._focal, self._principal = float(focal_px[0]), principal_px[0].astype(np.float32)
        moved = common_camera(vertices, focal_px, principal_px, self._focal, self._principal)
        face_normals = renderer.face_normals(vertices)
        shade = _shade(vertices, renderer.vertex_normals(face_normals))
        self._moved, self._shade, self._colours = moved, shade.reshape(-1), colours.astype(np.float32)
        # Half of a closed surface looks away from the camera; leaving it out halves the time to build the tree.
        towards = np.einsum("nfc,nfc->nf", face_normals, vertices[:, renderer.faces[:, 0]]) < 0
        self._person, face = (part.astype(np.int32) for part in np.nonzero(towards))
        self._faces = renderer.faces[face] + (self._person * count)[:, None]
        self._scene = EmbreeScene(robust=True)  # without it a ray may slip through between two faces
        self._mesh = TriangleMesh(self._scene, moved.reshape(-1, 3), self._faces)

    def pixels_in_reach(self) -> np.ndarray:
        """Return a mask (H, W) of the pixels that may show someone."""
        height, width = self._renderer.height, self._renderer.width
        mask = np.zeros((height, width), bool)
        for mesh in self._moved:
            depth = mesh[:, 2]
            if depth.max() <= NEAR_M:
                continue
            if depth.min() <= NEAR_M:
                mask[:] = True  # the outline of a body that reaches through the camera plane has no bounds
                break
            points = mesh[:, :2] * (self._focal / depth[:, None]) + self._principal
            low = np.clip(np.floor(points.min(axis=0)) - 1, 0, (width, height)).astype(int)
            high = np.clip(np.ceil(points.max(axis=0)) + 1, 0, (width, height)).astype(int)
            mask[low[1] : high[1], low[0] : high[0]] = True
        return mask

    def cast(self, x_px: np.ndarray, y_px: np.ndarray) -> Hits:
        """Return what the rays through points (P,) of the image meet first."""
        rays = np.ones((len(x_px), 3), np.float32)
        rays[:, 0] = (x_px - self._principal[0]) / self._focal
        rays[:, 1] = (y_px - self._principal[1]) / self._focal
        if not len(rays):
            nothing = np.zeros(0)
            return Hits(nothing.astype(np.int64), nothing.astype(np.int32), np.zeros((0, 3), np.float32), nothing)
        origins = rays * np.float32(NEAR_M)
        found = self._scene.run(origins, rays, output=True)
        ray = np.flatnonzero(found["primID"] >= 0)
        face, u, v = found["primID"][ray], found["u"][ray], found["v"][ray]
        corners = self._shade[self._faces[face]]
        shade = corners[:, 0] * (1.0 - u - v) + corners[:, 1] * u + corners[:, 2] * v
        person = self._person[face]
        colour = np.clip(self._colours[person] * shade[:, None], 0.0, 255.0)
        return Hits(ray, person, colour, found["tfar"][ray] + np.float32(NEAR_M))


def join_by_depth(first: Rendering, second: Rendering) -> Rendering:
    """Return two drawings of one camera as one: the nearer body is seen, and the other through its outline."""
    is_first = first.depth_m <= second.depth_m

    def split(name: str) -> tuple[np.ndarray, np.ndarray]:
        one, other = getattr(first, name), getattr(second, name)
        mask = is_first[..., None] if one.ndim == 3 else is_first
        return np.where(mask, one, other), np.where(mask, other, one)

    front, back = split("coverage")
    through = (1 - front) * back
    coverage = front + through
    front_colour, back_colour = split("colour")
    share = (through / np.maximum(coverage, np.float32(1e-6)))[..., None]
    colour = np.round(front_colour + share * (back_colour.astype(np.float32) - front_colour)).astype(np.uint8)
    return Rendering(colour, split("person")[0], coverage, split("depth_m")[0])


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
    """Return brightness (N, V): Lambert's law for a light beside the camera, and a highlight (Blinn 1977)."""
    view = -vertices / np.maximum(np.linalg.norm(vertices, axis=-1, keepdims=True), 1e-9)
    half = view + LIGHT
    half /= np.maximum(np.linalg.norm(half, axis=-1, keepdims=True), 1e-9)
    lambert = np.clip(normals @ LIGHT, 0.0, None)
    gloss = np.clip((normals * half).sum(axis=-1), 0.0, None) ** 24
    return (AMBIENT + DIFFUSE * lambert + GLOSS * gloss).astype(np.float32)
