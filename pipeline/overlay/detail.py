"""How finely a body is drawn: the smaller somebody is in the picture, the fewer faces, where nobody sees it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.sparse import csr_array

from configs.checks import Shaped

SHORTEST_M = (0.0, 0.007, 0.0105, 0.016, 0.024, 0.036)  # edges of each level, on the body at rest
EDGE_PX = 2.0  # what is shorter in the picture is not drawn


@dataclass(frozen=True, slots=True)
class Surface(Shaped):
    """A mesh over some of the vertices of a body."""

    rows: Annotated[np.ndarray, "U"]  # int64, which vertices
    faces: Annotated[np.ndarray, "F", 3]  # int32, of these
    vertex_from_face: csr_array  # (U, F) 1 where a vertex is a face's corner

    def face_normals(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return outward normals (3, N, F) of meshes (3, N, U), as long as twice the area of the face, and corners."""
        first, second, third = (vertices.take(corner, axis=2) for corner in self.faces.T)
        second -= first
        third -= first
        normals = np.empty_like(first)
        for axis in range(3):
            up, on = (axis + 1) % 3, (axis + 2) % 3
            np.multiply(second[up], third[on], out=normals[axis])
            normals[axis] -= second[on] * third[up]
        return normals, first

    def vertex_normals(self, face_normals: np.ndarray) -> np.ndarray:
        """Return unit normals (3, N, U) from those of the faces: the mean over the faces around, weighted by area."""
        _, people, faces = face_normals.shape
        stacked = np.ascontiguousarray(face_normals.reshape(3 * people, faces).T)
        normals = np.ascontiguousarray((self.vertex_from_face @ stacked).T).reshape(3, people, -1)
        return normals / np.maximum(np.sqrt((normals * normals).sum(axis=0)), 1e-12)


class Detail:
    """The surfaces of a body, from the finest to the coarsest."""

    def __init__(self, faces: np.ndarray, rest_m: np.ndarray | None = None) -> None:
        """
        Args:
            faces: (F, 3), counter-clockwise seen from outside.
            rest_m: (V, 3) the body at rest, in metres; None: it is drawn with all its faces.
        """
        self._surfaces = [_surface(np.asarray(faces))]
        if rest_m is not None:
            left = np.asarray(faces)
            for shortest_m in SHORTEST_M[1:]:
                left = _without_short_edges(left, rest_m, shortest_m)
                if not len(left):
                    break
                self._surfaces.append(_surface(left))

    def __getitem__(self, level: int) -> Surface:
        """Return a surface, of a number that `choose` gave."""
        return self._surfaces[level]

    def choose(self, depths_m: np.ndarray, focal_px: np.ndarray) -> np.ndarray:
        """Return the number (N,) of the surface for people whose nearest point is so far away (N,)."""
        longest_m = EDGE_PX * np.maximum(depths_m, 0.0) / focal_px
        levels: np.ndarray = np.searchsorted(SHORTEST_M[: len(self._surfaces)], longest_m, side="right") - 1
        return levels


def _surface(faces: np.ndarray) -> Surface:
    rows, corners = np.unique(faces, return_inverse=True)
    corners = corners.reshape(-1, 3).astype(np.int32)
    face_of_corner = np.tile(np.arange(len(faces)), 3)
    ones = np.ones(corners.size, np.float32)
    return Surface(rows, corners, csr_array((ones, (corners.T.ravel(), face_of_corner)), shape=(len(rows), len(faces))))


def _without_short_edges(faces: np.ndarray, rest_m: np.ndarray, shortest_m: float) -> np.ndarray:
    """Return faces (G, 3) over some of the same vertices: edges shorter than this are drawn together to one end.

    In each round the shortest come first, and a vertex takes part once.
    """
    while True:
        sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1).astype(np.int64)
        first, second = np.divmod(np.unique(sides[:, 0] * len(rest_m) + sides[:, 1]), len(rest_m))
        lengths = np.linalg.norm(rest_m[first] - rest_m[second], axis=1)
        short = np.flatnonzero(lengths < shortest_m)
        if not len(short):
            return faces
        short = short[np.argsort(lengths[short], kind="stable")]
        goes_to, is_taken = np.arange(len(rest_m)), bytearray(len(rest_m))
        for one, other in zip(first[short].tolist(), second[short].tolist(), strict=True):
            if not is_taken[one] and not is_taken[other]:
                is_taken[one] = is_taken[other] = 1
                goes_to[other] = one
        faces = goes_to[faces]
        is_face = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
        faces = faces[is_face]
