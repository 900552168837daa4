"""Where the joints and the surface of a posed body are, as host arrays."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

ROWS_PER_CALL = 256  # bounds memory: one row of a 7,000-vertex body is about 1 MB while it is being skinned


class Named(Protocol):
    """Something with a name, and whose shapes it holds."""

    @property
    def name(self) -> str: ...

    @property
    def gender(self) -> str: ...


class Body(Protocol):
    """The interface of a body model; takes and returns rows of torch tensors.

    `trans` is added after skinning, and the root turns about the pelvis of the shaped template (smplx's convention).
    """

    @property
    def structure(self) -> Named: ...

    @property
    def faces(self) -> Any: ...

    def joints(self, pose: Any, betas: Any, trans: Any, joint_set: str = ...) -> Any: ...

    def vertices(self, pose: Any, betas: Any, trans: Any) -> Any: ...


def joint_positions(
    body: Body, pose: np.ndarray, betas: np.ndarray, trans: np.ndarray, joint_set: str = "smpl24"
) -> np.ndarray:
    """Return the joints (R, J, 3) float32 of bodies with pose (R, 24, 3), betas (R, 10) or (10,) and trans (R, 3)."""
    return _rows_of(body, lambda rows: body.joints(rows[0], rows[1], rows[2], joint_set), pose, betas, trans)


def vertex_positions(body: Body, pose: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Return the vertices (R, V, 3) float32 of bodies with pose (R, 24, 3), betas (R, 10) or (10,) and trans (R, 3)."""
    return _rows_of(body, lambda rows: body.vertices(*rows), pose, betas, trans)


def pelvis_of(body: Body, betas: np.ndarray) -> np.ndarray:
    """Return the pelvis (3,) of the shaped template, about which the root turns; betas (10,)."""
    return joint_positions(body, np.zeros((1, 24, 3)), betas, np.zeros((1, 3)))[0, 0].astype(np.float64)


def _rows_of(
    body: Body, function: Callable[[list[Any]], Any], pose: np.ndarray, betas: np.ndarray, trans: np.ndarray
) -> np.ndarray:
    import torch

    device = next(body.buffers()).device if isinstance(body, torch.nn.Module) else torch.device("cpu")
    count = len(pose)
    betas = np.broadcast_to(betas, (count, betas.shape[-1]))
    if not count:  # smplx cannot pose nobody, yet the caller needs to know how many points there are
        pose, betas, trans = np.zeros((1, 24, 3)), np.zeros((1, betas.shape[-1])), np.zeros((1, 3))
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pose), ROWS_PER_CALL):
            rows = slice(start, start + ROWS_PER_CALL)
            tensors = [torch.tensor(array[rows], dtype=torch.float32, device=device) for array in (pose, betas, trans)]
            parts.append(function(tensors).detach().cpu().numpy())
    return np.concatenate(parts)[:count]
