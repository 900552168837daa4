"""Bodies of people in single images whose 2D keypoints are known."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from configs.checks import check_shape
from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from dpmesh.geometry import default_focal
from dpmesh.recovery.recover import PeopleInImages, RecoveredBodies
from pipeline.device import choose_device
from pipeline.models import Models
from trackers.boxes import box_around


def recover_stills(
    images: Sequence[np.ndarray], keypoints: Sequence[np.ndarray], settings: RunSettings
) -> list[RecoveredBodies]:
    """Return the bodies of the people in each image, in camera axes (x right, y down, z forward, metres).

    Args:
        images: (H, W, 3) uint8 RGB each.
        keypoints: for each image (N, 17, 3): x and y in its pixels, and confidence, in the order of COCO.
        settings: of `recover`, `body` and `runtime`.

    Raises:
        ValueError: there are not as many arrays of keypoints as images, or one has another shape.
    """
    if len(images) != len(keypoints):
        raise ValueError(f"keypoints: got {len(keypoints)} arrays for {len(images)} images; give one for each")
    for number, (image, people) in enumerate(zip(images, keypoints, strict=True)):
        check_shape(f"images[{number}]", image, ("H", "W", 3))
        check_shape(f"keypoints[{number}]", people, ("N", 17, 3))
    use_one_thread_each()
    recovery = Models(settings, choose_device(settings.runtime.device)).recovery()
    sizes = np.array([image.shape[1::-1] for image in images]).reshape(-1, 2)
    counts = [len(people) for people in keypoints]
    row = np.repeat(np.arange(len(images)), counts)
    points = np.concatenate([np.zeros((0, 17, 3)), *keypoints]).astype(np.float32)
    focal = [settings.recover.focal_px or default_focal(height, width) for width, height in sizes]
    seen = [person[person[:, 2] >= settings.recover.keypoint_score_min, :2] for person in points]
    boxes = [box_around(mine if len(mine) else person[:, :2]) for mine, person in zip(seen, points)]
    found = recovery.recover(
        images,
        PeopleInImages(
            image_row=row,
            boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
            keypoints=points,
            focal_px=np.array(focal, np.float32)[row],
            principal_px=(sizes / 2).astype(np.float32)[row],
        ),
    )
    ends = np.cumsum([0, *counts])
    chosen = [slice(start, end) for start, end in pairwise(ends)]
    return [RecoveredBodies(found.params.rows(rows), found.joint_confidence[rows]) for rows in chosen]
