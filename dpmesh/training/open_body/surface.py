"""One closed, mirror-symmetric outer surface from the source mesh, thinned to a vertex budget.

The left half is thinned and mirrored. A vertex is only ever dropped, never moved, so weights and shape directions of
the source hold for the vertices that stay. Thinning: edge collapse in the order of the quadric error (Garland and
Heckbert 1997), plus a small term for edge length that keeps enough vertices where flat skin has to bend.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

MIDLINE_M = 1e-6
LENGTH_WEIGHT = 2e-3
SHARPEST_TURN = 0.2  # least cosine between a face's normal before and after a collapse


@dataclass(frozen=True, slots=True)
class Surface:
    """A triangle mesh over a selection of the source's vertices."""

    kept: np.ndarray  # (V,) int64, source vertex of each vertex
    faces: np.ndarray  # (F, 3) int64, into `kept`
    mirror: np.ndarray  # (V,) int64, the vertex at the other side (itself on the midline)


def find_mirror(vertices: np.ndarray) -> np.ndarray:
    """Return the mirrored vertex of each (V,) of a symmetric mesh (V, 3)."""
    found = cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])
    gap, mirror = np.asarray(found[0]), np.asarray(found[1])
    if gap.max() > MIDLINE_M:
        raise ValueError(f"the source mesh is not symmetric: a vertex is {gap.max():.2g} m from its mirror image")
    return mirror


def close_left_half(quads: np.ndarray, is_cavity: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Return triangles (F, 3) of the left half's outer skin, with mouth and left eye closed.

    Args:
        quads: (F, 4) faces of the whole source.
        is_cavity: (F,) faces inside of mouth and eyes.
        vertices: (V, 3) the symmetric source mesh; left is +x.
    """
    is_left = (vertices[quads][..., 0] > -MIDLINE_M).all(1)
    skin = quads[is_left & ~is_cavity]
    triangles = np.concatenate([skin[:, [0, 1, 2]], skin[:, [0, 2, 3]]])
    patches = [triangles]
    inside = np.unique(quads[is_left & is_cavity])
    for rim in _open_rims(triangles, vertices):
        if np.abs(vertices[rim[[0, -1]], 0]).max() < MIDLINE_M:
            patches.append(_zip_up(rim))
        else:
            near = inside[np.linalg.norm(vertices[inside] - vertices[rim].mean(0), axis=1) < 0.03]
            pupil = near[np.argmax(vertices[near, 2])]
            ends = np.roll(rim, -1)
            patches.append(np.stack([ends, rim, np.full(len(rim), pupil)], axis=1))
    return np.concatenate(patches)


def _open_rims(triangles: np.ndarray, vertices: np.ndarray) -> list[np.ndarray]:
    """Return chains of vertices along open edges that do not lie on the midline, in the faces' direction."""
    edges = {tuple(edge) for face in triangles.tolist() for edge in zip(face, face[1:] + face[:1], strict=True)}
    on_midline = np.abs(vertices[:, 0]) < MIDLINE_M
    follow = {a: b for a, b in edges if (b, a) not in edges and not (on_midline[a] and on_midline[b])}
    rims = []
    while follow:
        starts = set(follow) - set(follow.values())
        at = min(starts) if starts else min(follow)
        rim = []
        while at in follow:
            rim.append(at)
            at = follow.pop(at)
        rims.append(np.array(rim if at == rim[0] else [*rim, at]))
    return rims


def _zip_up(rim: np.ndarray) -> np.ndarray:
    """Return triangles that join the two halves of an open chain, as lips close."""
    low, high = 0, len(rim) - 1
    faces = []
    while high - low >= 2:
        faces.append((rim[low + 1], rim[low], rim[high]))
        low += 1
        if high - low >= 2:
            faces.append((rim[low], rim[high], rim[high - 1]))
            high -= 1
    return np.array(faces)


def thin(triangles: np.ndarray, vertices: np.ndarray, vertex_count: int) -> np.ndarray:
    """Return triangles (F, 3) over at most `vertex_count` of the vertices that the given ones use.

    Open edges stay where they are: a vertex on one only moves along it.
    """
    faces = {index: tuple(face) for index, face in enumerate(triangles.tolist())}
    faces_at: dict[int, set[int]] = defaultdict(set)
    for index, face in faces.items():
        for vertex in face:
            faces_at[vertex].add(index)
    quadrics = _quadrics(triangles, vertices)
    points = np.concatenate([vertices, np.ones((len(vertices), 1))], axis=1)

    def neighbours(vertex: int) -> set[int]:
        return {other for index in faces_at[vertex] for other in faces[index]} - {vertex}

    def is_open(vertex: int, other: int) -> bool:
        return len(faces_at[vertex] & faces_at[other]) == 1

    rim = {v for v in faces_at if any(is_open(v, other) for other in neighbours(v))}

    def cost(gone: int, kept: int) -> float:
        point = points[kept]
        step = vertices[gone] - vertices[kept]
        length = float(step @ step)
        return float(point @ (quadrics[gone] + quadrics[kept]) @ point) + LENGTH_WEIGHT * length * length

    def may_collapse(gone: int, kept: int) -> bool:
        shared = faces_at[gone] & faces_at[kept]
        if gone in rim and not (kept in rim and len(shared) == 1):
            return False
        if len(neighbours(gone) & neighbours(kept)) != len(shared):
            return False
        for index in faces_at[gone] - shared:
            corners = [vertices[v] for v in faces[index]]
            moved = [vertices[kept if v == gone else v] for v in faces[index]]
            before, after = _normal(corners), _normal(moved)
            if before @ after < SHARPEST_TURN * np.linalg.norm(before) * np.linalg.norm(after) or not after.any():
                return False
        return True

    queue = [(cost(v, other), v, other) for v in sorted(faces_at) for other in sorted(neighbours(v))]
    heapq.heapify(queue)
    alive = len(faces_at)
    while alive > vertex_count and queue:
        price, gone, kept = heapq.heappop(queue)
        if gone not in faces_at or kept not in faces_at or kept not in neighbours(gone):
            continue
        now = cost(gone, kept)
        if now > price * (1 + 1e-9) + 1e-18:
            heapq.heappush(queue, (now, gone, kept))
            continue
        if not may_collapse(gone, kept):
            continue
        quadrics[kept] = quadrics[gone] + quadrics[kept]
        for index in faces_at.pop(gone):
            for vertex in faces[index]:
                if vertex != gone:
                    faces_at[vertex].discard(index)
            if kept in faces[index]:
                del faces[index]
                continue
            a, b, c = (kept if v == gone else v for v in faces[index])
            faces[index] = (a, b, c)
            for vertex in faces[index]:
                faces_at[vertex].add(index)
        alive -= 1
        for other in neighbours(kept):
            heapq.heappush(queue, (cost(kept, other), kept, other))
            heapq.heappush(queue, (cost(other, kept), other, kept))
    return np.array([faces[index] for index in sorted(faces)])


def mirror_half(triangles: np.ndarray, mirror: np.ndarray) -> Surface:
    """Return the whole surface of a left half (F, 3), given the source's `find_mirror`."""
    whole = np.concatenate([triangles, mirror[triangles][:, ::-1]])
    kept, faces = np.unique(whole, return_inverse=True)
    return Surface(kept=kept, faces=faces.reshape(-1, 3), mirror=np.searchsorted(kept, mirror[kept]))


def _normal(corners: list[np.ndarray]) -> np.ndarray:
    a, b, c = corners
    u, v = b - a, c - a
    return np.array([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])


def _quadrics(triangles: np.ndarray, vertices: np.ndarray) -> dict[int, np.ndarray]:
    """Return per vertex the sum over its faces of area times the outer product of the plane's four numbers."""
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double_area = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.maximum(double_area, 1e-15)
    planes = np.concatenate([normals, -(normals * corners[:, 0]).sum(1, keepdims=True)], axis=1)
    each = planes[:, :, None] * planes[:, None, :] * (double_area / 2)[..., None]
    sums = np.zeros((len(vertices), 4, 4))
    for corner in range(3):
        np.add.at(sums, triangles[:, corner], each)
    return {int(v): sums[v] for v in np.unique(triangles)}
