"""Distances from points to a triangle mesh."""

import numpy as np
from scipy.spatial import cKDTree

NEAREST = 2  # vertices whose triangles are looked at


class Surface:
    """A triangle mesh that answers where on it the nearest point to others lies.

    The triangles around the `NEAREST` vertices are looked at: exact where triangles are small and of one size.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self.vertices = vertices.astype(np.float64)
        self.faces = faces
        self._tree = cKDTree(self.vertices)
        count = np.bincount(faces.reshape(-1), minlength=len(vertices))
        order = np.argsort(faces.reshape(-1), kind="stable") // 3
        starts = np.cumsum(count) - count
        columns = np.minimum(np.arange(count.max()), np.maximum(count, 1)[:, None] - 1)
        self._faces_of = order[np.minimum(starts[:, None] + columns, len(order) - 1)]  # (V, most faces of a vertex)
        corners = self.vertices[faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._normals = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)

    def closest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest points (P, 3) of the mesh to points (P, 3), and the normals of their triangles."""
        best = np.full(len(points), np.inf)
        places, normals = np.empty_like(points), np.empty_like(points)
        near = np.asarray(self._tree.query(points, NEAREST)[1])
        for column in range(NEAREST):
            candidates = self._faces_of[near[:, column]]
            for place, faces in enumerate(candidates.T):
                if place and (faces == candidates[:, place - 1]).all():
                    break  # only repetitions are left
                found = closest_on_triangles(points, self.vertices[self.faces[faces]])
                distance = ((found - points) ** 2).sum(axis=1)
                is_nearer = distance < best
                best[is_nearer] = distance[is_nearer]
                places[is_nearer] = found[is_nearer]
                normals[is_nearer] = self._normals[faces[is_nearer]]
        return places, normals


def closest_on_triangles(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the point of each triangle (P, 3, 3) that is nearest to each point (P, 3).

    It is the foot of the perpendicular if that lies inside, else the nearest point of the three edges.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    across = np.cross(b - a, c - a)
    squared = np.maximum((across**2).sum(axis=1, keepdims=True), 1e-24)
    foot = points - across * (((points - a) * across).sum(axis=1, keepdims=True) / squared)
    is_inside = np.ones(len(points), bool)
    edges = []
    for start, end in ((a, b), (b, c), (c, a)):
        is_inside &= (np.cross(end - start, foot - start) * across).sum(axis=1) >= 0
        along = end - start
        length = np.maximum((along**2).sum(axis=1), 1e-24)
        part = np.clip(((points - start) * along).sum(axis=1) / length, 0.0, 1.0)
        edges.append(start + part[:, None] * along)
    distances = np.stack([((edge - points) ** 2).sum(axis=1) for edge in edges])
    nearest = np.stack(edges)[distances.argmin(axis=0), np.arange(len(points))]
    return np.where(is_inside[:, None], foot, nearest)
