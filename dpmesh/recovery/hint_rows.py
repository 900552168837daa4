"""What a source of hints told of people in images, beside the keypoints that led it there; and what the lift says."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from configs.checks import Shaped
from configs.errors import InputError
from configs.npz_files import open_npz
from dpmesh.body import BodyModel
from dpmesh.geometry.crop import to_crop
from dpmesh.keypoints import square_box, to_dpmesh30
from dpmesh.network.config import LATENT_PX
from dpmesh.network.hints import hint_places
from dpmesh.network.model import DPMesh
from dpmesh.recovery.quarter_turns import quarter_turns, turn_matrices, upright_joints

SCORE_MIN, BOX_SCALE = 0.3, 1.2
"""As a run has them: `recover.keypoint_score_min`, `recover.box_scale`."""
ROWS = 256


@dataclass(frozen=True, slots=True)
class HintRows(Shaped):
    """People in images of one or several clips; `dpmesh-video data hints` writes them."""

    clip: Annotated[np.ndarray, "R"]  # int64
    image: Annotated[np.ndarray, "R"]  # int64, in its clip
    boxes_xyxy: Annotated[np.ndarray, "R", 4]  # float32, pixels
    keypoints: Annotated[np.ndarray, "R", 17, 3]  # float32, pixels and confidence
    hints: Annotated[np.ndarray, "R", 12, 4]  # float32, see `dpmesh.network.hints`, upright as the image
    flipped: Annotated[np.ndarray, "R", 12, 4]  # float32, told of the mirrored image and mirrored back

    @classmethod
    def read(cls, path: Path) -> "HintRows":
        """Return the rows in a file.

        Raises:
            InputError: it is no such file.
        """
        try:
            with open_npz(path) as found:
                return cls(**{field.name: found.read(field.name) for field in fields(cls)})
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not what `dpmesh-video data hints` wrote ({error}); make it anew") from error

    def write(self, path: Path) -> None:
        """Write the rows to a file."""
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})


@torch.inference_mode()
def lifted_places(network: DPMesh, body: BodyModel, rows: HintRows) -> Tensor:
    """Return where the lift takes the joints of hints to be (R, 12, 3) from the keypoints alone, metres."""
    parts = [torch.zeros(0, 12, 3)]
    for start in range(0, len(rows.keypoints), ROWS):
        keypoints, boxes = (part[start : start + ROWS] for part in (rows.keypoints, rows.boxes_xyxy))
        joints, confidence = to_dpmesh30(keypoints)
        is_sure = confidence >= SCORE_MIN
        squares = square_box(keypoints, boxes, SCORE_MIN, BOX_SCALE)
        grid = to_crop(joints, squares[:, :2], squares[:, 2], LATENT_PX).astype(np.float32)
        given = is_sure & ((grid >= 0) & (grid < LATENT_PX)).all(axis=-1)
        turns = quarter_turns(joints, is_sure, squares[:, 2])
        mask = torch.from_numpy((given * confidence)[..., None]).float()
        output = network.forward(None, upright_joints(torch.from_numpy(grid), turns), mask)
        root = turn_matrices(turns) @ output.pose[:, 0].float()
        pose = torch.cat([root[:, None], output.pose[:, 1:].float()], dim=1)
        parts.append(hint_places(body.joints_from_matrices(pose, output.betas.float(), joint_set="smpl24")))
    return torch.cat(parts)
