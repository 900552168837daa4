"""Errors on single images of CMU Panoptic, in the three ways in which published tables can be read.

All are root-relative in camera axes, without scale or rotation, over joints whose annotation has a confidence above
0.1; the root is the annotated body centre against the middle of the hips of the body. Of the 17 joints of Human3.6M,
spine, nose and head are never annotated. The neck of `joints19` is the middle of the shoulders, that of Human3.6M lies
above it. People whose body centre is unknown are left out everywhere: nothing could be relative to it.

- `crmh`: mean over all 17 joints, unknown ones and the root counting 0. Everybody takes the nearest body, over the
  joints that are known of everybody in the image; several may take the same one. An image without any body is left out,
  so nobody is ever missed. Source: JiangWenPL/multiperson, mmdet/core/utils/eval_utils.py, PanopticEvalHandler.
- `romp`: mean over 14 joints (limbs, neck, root), unknown ones and the root counting 0; annotations but the root are
  moved by (0, 6, 3) cm in camera axes; people with more than 5 joints in an image of 832x512 count (the picture is
  padded below to that shape). Bodies are matched one to one in the image, the nearest joints first, where boxes overlap
  by 5 %; somebody missed counts 150 mm. Source: Arthur151/ROMP, simple_romp/evaluation/eval_cmu_panoptic.py; there, a
  pair of boxes that do not overlap can end the matching early, and unknown joints count as seen; not here.
- `valid`: mean over the joints that are known, without the root. People with more than 5 joints in the picture count.
  Bodies are matched one to one by the overlap of the boxes round their joints, at least 25 %. Recall is the share of
  people with a body.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.skeletons import H36M17
from pipeline.capture.panoptic import JOINTS, People
from pipeline.evaluation.pairing import assign_boxes
from pipeline.evaluation.projection import joint_boxes
from trackers.association import box_overlaps

JOINT_SET = "h36m17"
ANNOTATED = {
    "mid_outer_hip": "body_centre",
    "neck": "neck",
    **{
        f"{side}_{ours}": f"{side}_{theirs}"
        for side in ("left", "right")
        for ours, theirs in (("outer_hip", "hip"), *((n, n) for n in ("knee", "ankle", "shoulder", "elbow", "wrist")))
    },
}
"""Which joint of Panoptic each joint of Human3.6M is compared with."""
ROOT = H36M17.index("mid_outer_hip")
ROMP14 = [number for number, name in enumerate(H36M17) if name in ANNOTATED]
ROMP_SHIFT_M = (0.0, 0.06, 0.03)
ROMP_OVERLAP_MIN = 0.05
ROMP_HEIGHT = 512 / 832  # of its images, as a share of their width
MISS_MM = 150.0
COUNTED_MIN = 6  # joints in the image from which somebody counts

PUBLISHED = {"haggling": 97.2, "mafia": 109.8, "ultimatum": 114.3, "pizza": 120.5}
"""MPJPE in mm of DPMesh by activity, as its paper prints them (table 3); their mean is 110.4."""
PUBLISHED_MEAN = 110.4


@dataclass(frozen=True, slots=True)
class ImagePeople(Shaped):
    """Who is annotated and who was recovered in one image; camera axes, joints in the order of `H36M17`."""

    true_m: Annotated[np.ndarray, "N", 17, 3]
    is_known: Annotated[np.ndarray, "N", 17]  # bool
    true_px: Annotated[np.ndarray, "N", 17, 2]
    found_m: Annotated[np.ndarray, "M", 17, 3]
    found_px: Annotated[np.ndarray, "M", 17, 2]
    size_px: tuple[int, int]  # width, height

    @property
    def with_root(self) -> "ImagePeople":
        """The same without people whose root is unknown."""
        return self.take(self.is_known[:, ROOT])


@dataclass(frozen=True, slots=True)
class Errors(Shaped):
    """Errors of R people, of those who count."""

    errors_mm: Annotated[np.ndarray, "R"]
    wanted: int

    @property
    def mean_mm(self) -> float:
        """Mean over people; NaN of nobody."""
        return float(self.errors_mm.mean()) if len(self.errors_mm) else float("nan")

    @property
    def recall(self) -> float:
        """Share of the people who have an error."""
        return len(self.errors_mm) / self.wanted if self.wanted else float("nan")


def join_errors(parts: Sequence[Errors]) -> Errors:
    """Return all as one."""
    every = np.concatenate([np.zeros(0), *(part.errors_mm for part in parts)])
    return Errors(every, sum(part.wanted for part in parts))


def annotated_joints(people: People) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints (R, 17, 3) of annotated people in the order of `H36M17`, and whether (R, 17) they are valid."""
    joints, known = np.full((len(people.joints_m), 17, 3), np.nan), np.zeros((len(people.joints_m), 17), bool)
    for number, name in enumerate(H36M17):
        if name in ANNOTATED:
            source = JOINTS.index(ANNOTATED[name])
            joints[:, number], known[:, number] = people.joints_m[:, source], people.is_valid[:, source]
    return joints, known


def crmh_errors(image: ImagePeople) -> Errors:
    """Return the errors of an image as CRMH's authors measure them."""
    image = image.with_root
    true, found = _about_root(image.true_m, image.is_known), _about_root(image.found_m)
    if not len(true) or not len(found):
        return Errors(np.zeros(0), len(true))
    shared = image.is_known.all(axis=0)
    apart = np.linalg.norm((true[:, None] - found[None])[:, :, shared].reshape(len(true), len(found), -1), axis=-1)
    nearest = found[apart.argmin(axis=1)]
    return Errors(1000 * (np.linalg.norm(nearest - true, axis=-1) * image.is_known).mean(axis=1), len(true))


def romp_errors(image: ImagePeople) -> Errors:
    """Return the errors of an image as ROMP's authors measure them."""
    image = image.with_root
    width = image.size_px[0]
    counted = _inside(image, (width, width * ROMP_HEIGHT)) >= COUNTED_MIN
    known, true_px = image.is_known[counted][:, ROMP14], image.true_px[counted][:, ROMP14]
    shift = np.where(np.arange(17)[:, None] == ROOT, 0.0, ROMP_SHIFT_M)
    true = _about_root(image.true_m, image.is_known)[counted] + shift
    found = _about_root(image.found_m)
    found_px = image.found_px[:, ROMP14]
    apart = np.linalg.norm(np.where(known[:, None, :, None], true_px[:, None] - found_px, 0.0), axis=(2, 3))
    overlap = box_overlaps(_boxes(true_px, known), joint_boxes(found_px))
    errors = np.full(len(true), MISS_MM)
    taken: set[int] = set()
    matched: set[int] = set()
    for who, number in zip(*np.unravel_index(np.argsort(apart, axis=None), apart.shape), strict=True):
        if who in matched or number in taken or overlap[who, number] < ROMP_OVERLAP_MIN:
            continue
        matched.add(int(who))
        taken.add(int(number))
        distance = np.linalg.norm(found[number] - true[who], axis=-1)[ROMP14]
        errors[who] = 1000 * np.where(known[who], distance, 0.0).mean()
    return Errors(errors, len(true))


def valid_errors(image: ImagePeople) -> Errors:
    """Return the errors of an image over valid joints, of people matched one to one."""
    image = image.with_root
    counted = _inside(image, image.size_px) >= COUNTED_MIN
    known, found = image.is_known[counted], _about_root(image.found_m)
    true = _about_root(image.true_m, image.is_known)[counted]
    overlap = box_overlaps(_boxes(image.true_px[counted], known), joint_boxes(image.found_px))
    limbs = known & (np.arange(17) != ROOT)
    errors = [
        1000 * np.linalg.norm(found[number] - true[who], axis=-1)[limbs[who]].mean()
        for who, number in assign_boxes(overlap)
    ]
    return Errors(np.array(errors).reshape(-1), len(true))


READINGS = {"crmh": crmh_errors, "romp": romp_errors, "valid": valid_errors}


def _about_root(joints: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Return joints (R, 17, 3) relative to the root, 0 where they are unknown."""
    apart = joints - joints[:, ROOT, None]
    return apart if known is None else np.where(known[..., None], apart, 0.0)


def _inside(image: ImagePeople, size_px: tuple[float, float]) -> np.ndarray:
    """Return how many known joints (N,) lie in an image of a size."""
    inside = (image.true_px > 0) & (image.true_px < np.array(size_px))
    return (inside.all(axis=-1) & image.is_known).sum(axis=1)


def _boxes(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    return joint_boxes(np.where(known[..., None], pixels, np.nan))
