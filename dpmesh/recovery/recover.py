"""Body recovery: from images, boxes and keypoints to SMPL parameters in camera axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from configs.number_formats import FORMATS, computing_in
from configs.schema import RecoverSettings
from configs.skeletons import MIRRORED_24, MIRRORED_30
from configs.threads import spread
from dpmesh.body import BodyModel, BodyParams
from dpmesh.geometry.camera import ray_rotation, translation_from_crop
from dpmesh.geometry.fit import fit_translation
from dpmesh.geometry.rotations import matrix_to_axis_angle, nearest_rotation
from dpmesh.keypoints import smpl24_confidence, square_box, to_dpmesh30
from dpmesh.network.config import LATENT_PX
from dpmesh.network.heads import published_translation
from dpmesh.network.hints import mirrored_hints, rotated_hints
from dpmesh.network.model import DPMesh
from dpmesh.recovery.crop_inputs import crop_inputs, published_squares
from dpmesh.recovery.quarter_turns import quarter_turns, turn_matrices, upright_images, upright_joints

ROWS_STEP = 8
"""Batches are filled up to a multiple of this by repeating their last row: every new shape leaves memory behind in
torch's kernels, and few shapes keep long videos at a constant size."""
APART_MAX_RAD = 0.9  # between two estimates of a joint rotation; they differ by 0.1 in a walk, by 0.5 at most


@dataclass(frozen=True, slots=True)
class PeopleInImages:
    """Rows of people in a batch of images; every row has its own camera."""

    image_row: np.ndarray  # (R,) int64, index of the image
    boxes_xyxy: np.ndarray  # (R, 4) float32, pixels of the full image
    keypoints: np.ndarray  # (R, 17, 3) float32, x, y in pixels of the full image, confidence
    focal_px: np.ndarray  # (R,) float32
    principal_px: np.ndarray  # (R, 2) float32
    hints: np.ndarray | None = None  # (R, 12, 4) float32, see `dpmesh.network.hints`, upright; None for none


@dataclass(frozen=True, slots=True)
class RecoveredBodies:
    """Bodies of the same rows."""

    params: BodyParams
    joint_confidence: np.ndarray  # (R, 24) float32, 0 to 1


class BodyRecovery:
    """The network with its preprocessing (crops, joints) and postprocessing (camera of the full image)."""

    def __init__(
        self,
        network: DPMesh,
        body: BodyModel,
        settings: RecoverSettings,
        *,
        device: str,
        dtype: str = "float32",
        batch_rows: int = 16,
        threads: int = 1,
    ) -> None:
        """
        Args:
            settings: a network with the published camera gets the squares that the released checkpoints were evaluated
                with, and unrotated crops; for the flip test see `_merge_flipped`.
            dtype: precision of the network, a key of `configs.number_formats.FORMATS`.
            batch_rows: crops per call of the network.
            threads: that process batches in parallel; the result does not depend on it.
        """
        self._network = network.to(device).eval()
        self._body = body
        self._device = device
        self._dtype = FORMATS[dtype]
        self._settings = settings
        self._batch_rows = batch_rows
        self._threads = threads
        self._is_used = False  # layers are packed at the first call, by one thread
        self._is_published = network.settings.regressor.camera_head == "published"
        self._is_turned = settings.is_turned and not self._is_published

    def recover(self, images: Sequence[np.ndarray], people: PeopleInImages) -> RecoveredBodies:
        """Return one body per row.

        Args:
            images: (H, W, 3) uint8 RGB each.
        """

        def recover_part(start: int) -> BodyParams:
            count = min(self._batch_rows, len(people.image_row) - start)
            padded = min(self._batch_rows, -(-count // ROWS_STEP) * ROWS_STEP)
            rows = start + np.minimum(np.arange(padded), count - 1)
            return self._recover_batch(images, _rows(people, rows)).rows(slice(0, count))

        starts = range(0, len(people.image_row), self._batch_rows)
        first = 0 if self._is_used else 1
        parts = [*map(recover_part, starts[:first]), *spread(recover_part, starts[first:], self._threads)]
        self._is_used |= bool(parts)
        pose = np.concatenate([part.pose for part in parts]) if parts else np.zeros((0, 24, 3), np.float32)
        betas = np.concatenate([part.betas for part in parts]) if parts else np.zeros((0, 10), np.float32)
        trans = np.concatenate([part.trans for part in parts]) if parts else np.zeros((0, 3), np.float32)
        return RecoveredBodies(BodyParams(pose, betas, trans), smpl24_confidence(people.keypoints))

    @torch.inference_mode()
    def _recover_batch(self, images: Sequence[np.ndarray], people: PeopleInImages) -> BodyParams:
        crop_px = self._network.settings.backbone.image_px
        joints, confidence = to_dpmesh30(people.keypoints)
        is_sure = confidence >= self._settings.keypoint_score_min
        if self._is_published:
            sizes = np.array([images[int(row)].shape[1::-1] for row in people.image_row])
            squares = published_squares(joints, is_sure, people.boxes_xyxy, sizes)
        else:
            squares = square_box(
                people.keypoints, people.boxes_xyxy, self._settings.keypoint_score_min, self._settings.box_scale
            )
        has_image = self._network.settings.regressor.has_image
        given = crop_inputs(images, people.image_row, joints, is_sure, squares, crop_px if has_image else None)
        turns = quarter_turns(joints, is_sure, squares[:, 2]) * self._is_turned
        image = None
        if given.image is not None:
            image = torch.from_numpy(given.image).to(self._device).permute(0, 3, 1, 2).float() / 255.0
            image = upright_images(image, turns)
        joints_grid = upright_joints(torch.from_numpy(given.joints).to(self._device), turns)
        mask = torch.from_numpy((given.is_given * confidence)[..., None]).to(self._device, torch.float32)
        hints = None
        if people.hints is not None:
            told = torch.from_numpy(people.hints).to(self._device, torch.float32)
            hints = rotated_hints(told, turn_matrices(turns).mT)
        with computing_in(self._dtype, self._device):
            output = self._network.forward(image, joints_grid, mask, hints=hints)
            rotation, betas = output.pose.float(), output.betas.float()
            if self._settings.is_flip_test_on:
                seen = self._network.forward(
                    None if image is None else image.flip(-1),
                    mirrored_joints(joints_grid),
                    mask[:, list(MIRRORED_30)],
                    hints=None if hints is None else mirrored_hints(hints),
                )
                other = mirrored_rotations(seen.pose.float()), seen.betas.float()
                rotation, betas = self._merge_flipped((rotation, betas), other, joints_grid, mask[..., 0])
        centre = torch.from_numpy(squares[:, :2]).to(self._device)
        side = torch.from_numpy(squares[:, 2]).to(self._device)
        focal = torch.from_numpy(people.focal_px).to(self._device)
        principal = torch.from_numpy(people.principal_px).to(self._device)
        if output.scale is None or output.shift_m is None:
            # The published head predicts SMPL's translation in the camera of the crop, without a viewing ray.
            in_crop = published_translation(output.camera_raw.float(), focal, crop_px)
            scale, shift = 2.0 * focal / (crop_px * in_crop[:, 2]), in_crop[:, :2]
        else:
            turn = turn_matrices(turns).to(rotation)
            root = ray_rotation(centre, focal, principal) @ turn @ rotation[:, 0]
            rotation = torch.cat([root[:, None], rotation[:, 1:]], dim=1)
            scale, shift = output.scale, (turn[:, :2, :2] @ output.shift_m[..., None])[..., 0]
        pose = matrix_to_axis_angle(rotation)
        origin = translation_from_crop(scale, shift, centre, side, focal, principal)
        if output.shift_m is not None:  # measured at the pelvis
            at_zero = self._body.joints(pose, betas, torch.zeros_like(origin), joint_set="smpl24")
            origin = origin - at_zero[:, 0]
        trans = origin.cpu().numpy()
        if self._settings.is_camera_fitted:
            trans = self._fit(pose, betas, trans, people)
        return BodyParams(pose.cpu().numpy(), betas.cpu().numpy(), trans.astype(np.float32))

    def _merge_flipped(
        self, body: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], given: Tensor, confidence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return rotations (R, 24, 3, 3) and betas (R, 10) merged from two estimates: their mean where they agree.

        Averaging a leg in front with the same leg behind would give a pose that neither estimate supports. Where any
        joint differs by `APART_MAX_RAD` or more, the body with the smaller joint residual is used.

        Args:
            given: (R, 30, 2) in grid cells.
            confidence: (R, 30), 0 for missing joints.
        """
        mean = nearest_rotation(body[0] + other[0]), 0.5 * (body[1] + other[1])
        cosine = 0.5 * ((body[0] * other[0]).sum(dim=(-2, -1)) - 1.0)
        is_apart = cosine.amin(dim=1) <= math.cos(APART_MAX_RAD)
        if not is_apart.any():
            return mean
        residuals = [self._residual(*each, given, confidence) for each in (body, other)]
        is_first = residuals[0] <= residuals[1]
        rotation = torch.where(is_first[:, None, None, None], body[0], other[0])
        betas = torch.where(is_first[:, None], body[1], other[1])
        return (
            torch.where(is_apart[:, None, None, None], rotation, mean[0]),
            torch.where(is_apart[:, None], betas, mean[1]),
        )

    def _residual(self, rotation: Tensor, betas: Tensor, given: Tensor, confidence: Tensor) -> Tensor:
        """Return the residual (R,) of the joints under the best-fitting weak-perspective camera."""
        pose = matrix_to_axis_angle(rotation)
        joints = self._body.joints(pose, betas, torch.zeros_like(pose[:, 0]), joint_set="dpmesh30")[..., :2]
        weight = (confidence / confidence.sum(dim=1, keepdim=True).clamp_min(1e-6))[..., None]
        joints = joints - (weight * joints).sum(dim=1, keepdim=True)
        given = given - (weight * given).sum(dim=1, keepdim=True)
        scale = (weight * joints * given).sum(dim=(1, 2)) / (weight * joints.square()).sum(dim=(1, 2)).clamp_min(1e-9)
        return (weight * (given - scale[:, None, None] * joints).square()).sum(dim=(1, 2))

    def _fit(self, pose: Tensor, betas: Tensor, trans: np.ndarray, people: PeopleInImages) -> np.ndarray:
        joints = self._body.joints(pose, betas, torch.zeros_like(pose[:, 0]), joint_set="coco17").cpu().numpy()
        confidence = people.keypoints[..., 2]
        weights = np.where(confidence >= self._settings.keypoint_score_min, confidence, 0.0)
        return fit_translation(joints, people.keypoints[..., :2], weights, people.focal_px, people.principal_px, trans)


def mirrored_joints(joints: Tensor) -> Tensor:
    """Return joints (R, 30, 2) in grid cells of the mirrored crop.

    Keypoint coordinates run from corner to corner, so the mirror axis is the middle of the crop, 16, as for `flip`.
    """
    flipped = torch.stack([LATENT_PX - joints[..., 0], joints[..., 1]], dim=-1)
    return flipped[:, list(MIRRORED_30)]


def mirrored_rotations(rotation: Tensor) -> Tensor:
    """Return the rotations (R, 24, 3, 3) of bodies mirrored in the plane of the camera's y and z axes."""
    signs = rotation.new_tensor([-1.0, 1.0, 1.0])
    return rotation[:, list(MIRRORED_24)] * signs[:, None] * signs


def _rows(people: PeopleInImages, rows: np.ndarray) -> PeopleInImages:
    return PeopleInImages(
        people.image_row[rows],
        people.boxes_xyxy[rows],
        people.keypoints[rows],
        people.focal_px[rows],
        people.principal_px[rows],
        None if people.hints is None else people.hints[rows],
    )
