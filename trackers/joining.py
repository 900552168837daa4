"""Joins two estimates of the same people's keypoints, each point by how far each source is usually off."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from configs.checks import Shaped
from configs.skeletons import COCO_NAMES, MIRRORED_17

GROUPS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
GROUP_OF = np.array([next((g for g, part in enumerate(GROUPS) if part in name), 0) for name in COCO_NAMES])
SHOULDERS, HIPS = ([COCO_NAMES.index(f"{side}_{part}") for side in ("left", "right")] for part in ("shoulder", "hip"))
APART_MAX = 3.0  # standard deviations of the difference, and
APART_SIDE_MAX = 0.08  # fraction of the side (as of the flip test): beyond both, the two do not measure the same point
DOUBT = 0.5  # confidence factor where they do not
TINY = 1e-12
GIVEN_MIN = 0.05  # a point of less confidence says nothing
STRANGER_MIN = 0.12  # median distance, over the box's longer side, from which the crop's person is somebody else
COMMON_MIN = 4  # points that both must have, to tell

ERRORS_PATH = Path(__file__).with_name("data") / "keypoint_errors.json"


@dataclass(frozen=True, slots=True)
class SourceErrors(Shaped):
    """How far a source's keypoints are off, by joint and confidence: standard deviations per axis.

    Measured by `dpmesh-video evaluate keypoints`.
    """

    confidence: Annotated[np.ndarray, "C"]  # float64, rising: where the values stand; between them, linear
    sigma: Annotated[np.ndarray, 7, "C"]  # float64, of `GROUPS`, over the longer side of the person's box
    offset: Annotated[np.ndarray, 7, 2]  # float64, of `GROUPS`: where it means another point of the body, see `aligned`
    sigma_px: float  # of the image, added to it in squares: small people are seen worse

    def of(self, keypoints: np.ndarray, sides_px: np.ndarray) -> np.ndarray:
        """Return the standard deviation (R, 17) in pixels of keypoints (R, 17, 3) of people this large (R,)."""
        relative = np.stack(
            [np.interp(keypoints[:, k, 2], self.confidence, self.sigma[g]) for k, g in enumerate(GROUP_OF)], axis=1
        )
        return np.hypot(relative * sides_px[:, None], self.sigma_px)

    def confidence_on(self, scale: "SourceErrors", confidence: np.ndarray) -> np.ndarray:
        """Return confidences of this source (R, 17) as those at which the source of `scale` errs as much.

        Over all groups together: of a single one, too little is measured at low confidences.
        """
        if scale is self:
            return confidence
        own, other = (np.exp(np.log(each.sigma).mean(axis=0)) for each in (self, scale))
        equal = np.interp(np.interp(confidence, self.confidence, own), other[::-1], scale.confidence[::-1])
        return np.asarray(equal * np.minimum(confidence / max(self.confidence[0], TINY), 1.0))

    def aligned(self, keypoints: np.ndarray) -> np.ndarray:
        """Return keypoints (R, 17, 3) where COCO's definition has them.

        A source that was taught other points of the body is off by a fraction of the trunk, upwards, and of half the
        distance between a joint and its mirrored one, outwards.
        """
        up, out = body_axes(keypoints[..., :2])
        offset = self.offset[GROUP_OF]
        moved = keypoints.copy()
        moved[..., :2] -= offset[:, :1] * up + offset[:, 1:] * out
        return moved


def body_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (R, 17, 2) each, of points (R, 17, 2): the trunk upwards, and from the middle of a pair to each of it."""
    up = points[:, SHOULDERS].mean(axis=1) - points[:, HIPS].mean(axis=1)
    return np.broadcast_to(up[:, None], points.shape), 0.5 * (points - points[:, list(MIRRORED_17)])


@cache
def read_errors(source: str) -> SourceErrors:
    """Return the bundled error model of a source: "detector" or "landmarks"."""
    return errors_from(json.loads(ERRORS_PATH.read_text())["sources"][source])


def errors_from(values: dict[str, Any]) -> SourceErrors:
    """Return the error model in an entry of the file."""
    sigma = np.array([values["sigma"][name] for name in GROUPS], np.float64)
    offset = np.array([values["offset"][name] for name in GROUPS], np.float64)
    return SourceErrors(np.array(values["confidence"], np.float64), sigma, offset, float(values["sigma_px"]))


@dataclass(frozen=True, slots=True)
class Joined(Shaped):
    """Keypoints of R people from two sources."""

    keypoints: Annotated[np.ndarray, "R", 17, 3]  # float32
    is_same_person: Annotated[np.ndarray, "R"]  # bool; False: the second source saw somebody else and was left out


def join_keypoints(
    first: np.ndarray,
    second: np.ndarray,
    sides_px: np.ndarray,
    first_errors: SourceErrors,
    second_errors: SourceErrors,
    scale: SourceErrors,
) -> Joined:
    """Return the keypoints of both, weighted by their precision.

    Where the two differ by more than both errors allow, the surer one counts at half its confidence. A point that only
    one has stays where it is. Where the points mostly lie apart, the second source saw somebody else and is left out;
    people of whom the first has no point at all are as the second has them.

    Networks differ in how confident they are of equally good points, so confidences are brought to one scale
    (`SourceErrors.confidence_on`); of two that agree, the higher one counts.

    Args:
        first: (R, 17, 3) pixels and confidence of the source that says who is meant.
        second: (R, 17, 3) of the other.
        sides_px: (R,) longer side of each person's box.
        scale: errors of the detector that the networks behind were trained for.
    """
    points = np.stack(
        [first_errors.aligned(first.astype(np.float64)), second_errors.aligned(second.astype(np.float64))]
    )
    is_given: np.ndarray = points[..., 2] >= GIVEN_MIN
    sigma_px = np.stack([first_errors.of(points[0], sides_px), second_errors.of(points[1], sides_px)])
    sigma_px[~is_given] = np.inf
    distance_px = np.linalg.norm(points[0, ..., :2] - points[1, ..., :2], axis=-1)
    is_stranger = _is_somebody_else(distance_px, is_given[0] & is_given[1], sides_px) & is_given[0].any(axis=1)
    sigma_px[1, is_stranger] = np.inf

    precision = sigma_px**-2.0
    share = precision / np.maximum(precision.sum(axis=0), TINY)
    places = (share[..., None] * points[..., :2]).sum(axis=0)
    confidences = np.stack(
        [
            errors.confidence_on(scale, of[..., 2])
            for errors, of in zip((first_errors, second_errors), points, strict=True)
        ]
    )
    confidence = np.where(np.isfinite(sigma_px), confidences, 0.0).max(axis=0)
    apart_px = np.maximum(APART_MAX * np.hypot(*sigma_px), APART_SIDE_MAX * sides_px[:, None])
    is_apart = (distance_px > apart_px) & np.isfinite(sigma_px).all(axis=0)
    surer = sigma_px.argmin(axis=0)[None]
    places[is_apart] = np.take_along_axis(points[..., :2], surer[..., None], axis=0)[0][is_apart]
    confidence = np.where(is_apart, DOUBT * np.take_along_axis(confidences, surer, axis=0)[0], confidence)
    is_known = np.isfinite(sigma_px).any(axis=0)
    joined = np.concatenate([places, confidence[..., None]], axis=-1)
    kept = np.concatenate([points[0, ..., :2], np.zeros_like(confidence)[..., None]], axis=-1)
    return Joined(np.where(is_known[..., None], joined, kept).astype(np.float32), ~is_stranger)


def _is_somebody_else(distance_px: np.ndarray, is_common: np.ndarray, sides_px: np.ndarray) -> np.ndarray:
    """Return of which people (R,) two estimates are of different people, or have too little in common to tell."""
    relative = np.where(is_common, distance_px / np.maximum(sides_px, 1.0)[:, None], np.nan)
    too_few = is_common.sum(axis=1) < COMMON_MIN
    relative[too_few] = np.inf
    found: np.ndarray = np.nanmedian(relative, axis=1) > STRANGER_MIN
    return found
