"""People in still images, with the detector's keypoints and, where it is known, their truth: what `image-use` looks at.

A source is a clip, a calibrated capture (see `pipeline.evaluation.capture`) or a folder of drawn crops with their truth
(`dpmesh-video data crops`), each of which is taken for an image; their keypoints are the true ones of the joints that
the crop shows, so that nothing but the image can tell of the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.errors import InputError
from configs.npz_files import read_npz
from configs.skeletons import COCO_OF_30, DPMESH30, JOINT_BLENDS
from dpmesh.geometry import default_focal
from pipeline.capture import Camera, find_capture
from pipeline.capture.capture import check_video
from pipeline.evaluation.capture import COCO_CHOICE, REFERENCE_FILE, known_frames, read_reference
from pipeline.evaluation.motion_errors import JointChoice
from pipeline.evaluation.pairing import assign_boxes
from pipeline.evaluation.projection import joint_boxes, project_rows
from pipeline.evaluation.truth import LIMB_JOINTS
from pipeline.media.probe import probe
from pipeline.media.read import read_frames
from trackers.association import box_overlaps
from trackers.detector import PeopleFinder
from trackers.types import Detections, concatenate_detections

SMPL_CHOICE = JointChoice("smpl24", LIMB_JOINTS, root=(0,), feet=(7, 8))
SCORE_MIN = 0.4  # people less sure are left out
CROPS_AT_ONCE = 250  # a divisor of a shard's 1,000
SHARD_BYTES_MAX = 2**31
SHOWN = 2  # `visible30` of a joint that can be seen
KEYS = ("image", "joints30_cam", "joints30_px", "visible30", "focal_px", "principal_px", "box_centre_px", "box_px")


@dataclass(frozen=True, slots=True)
class SeenPeople(Shaped):
    """R people of one clip, or of some crops. Joints are those of a `JointChoice`'s set."""

    image_row: Annotated[np.ndarray, "R"]  # int64, index of the image of each
    focal_px: Annotated[np.ndarray, "R"]  # float32
    principal_px: Annotated[np.ndarray, "R", 2]  # float32
    truth_m: Annotated[np.ndarray, "R", "J", 3]  # camera axes; NaN where unknown
    is_hidden: Annotated[np.ndarray, "R", "J"]  # bool, joints that the image is known not to show
    found: Detections  # R people as the detector has them
    images: list[np.ndarray]  # RGB uint8 (H, W, 3) each

    def take(self, rows: np.ndarray) -> "SeenPeople":
        """Return some of the people: those of an index array."""
        return replace(super(SeenPeople, self).take(rows), found=self.found.take(rows))


@dataclass(frozen=True, slots=True)
class Source:
    """Where people come from."""

    path: Path
    choice: JointChoice  # which joints are compared
    kind: str  # "clip", "capture" or "crops"

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Return what a path holds."""
        if not path.is_dir():
            return cls(path, SMPL_CHOICE, "clip")
        if any(path.glob("crops_*.npz")):
            return cls(path, SMPL_CHOICE, "crops")
        return cls(path, COCO_CHOICE, "capture")

    def people(self, make_finder: Callable[[], PeopleFinder], frames: int, limit: int) -> Iterator[SeenPeople]:
        """Yield the people of each camera, or of some crops at a time.

        Args:
            make_finder: loads what finds them in clips and captures.
            frames: of a clip or camera, evenly spaced.
            limit: of the crops.

        Raises:
            InputError: the path holds nothing of the kind.
        """
        if self.kind == "clip":
            yield _of_clip(self.path, make_finder(), frames)
        elif self.kind == "capture":
            capture, joints_m = find_capture(self.path), read_reference(self.path / REFERENCE_FILE)
            for camera in capture.cameras:
                yield _of_camera(camera, capture.videos[camera.name], joints_m, make_finder(), frames)
        else:
            yield from _of_crops(self.path, limit)


def _frames(path: Path, count: int) -> dict[int, np.ndarray]:
    """Return evenly spaced frames of a clip, by index."""
    info = probe(path)
    step = max(1, (info.frame_count or count) // count)
    images = {}
    for frame in read_frames(info):
        if frame.index % step == 0:
            images[frame.index] = frame.image
        if len(images) == count:
            break
    return images


def _find(images: list[np.ndarray], finder: PeopleFinder) -> tuple[Detections, np.ndarray]:
    """Return the people of all images that the finder is sure of, and the image of each."""
    found = finder.find(images, range(len(images)))
    row = np.repeat(np.arange(len(images)), [len(people) for people in found])
    people = concatenate_detections(found)
    chosen = people.scores >= SCORE_MIN
    return people.take(chosen), row[chosen]


def _of_clip(path: Path, finder: PeopleFinder, frames: int) -> SeenPeople:
    images = list(_frames(path, frames).values())
    found, row = _find(images, finder)
    sizes = np.array([image.shape[:2] for image in images], np.int64)[row]
    focal = np.array([default_focal(int(height), int(width)) for height, width in sizes], np.float32)
    unknown = np.full((len(row), 24, 3), np.nan)
    return SeenPeople(row, focal, (sizes[:, ::-1] / 2).astype(np.float32), unknown, _nothing(unknown), found, images)


def _of_camera(camera: Camera, video: Path, joints_m: np.ndarray, finder: PeopleFinder, frames: int) -> SeenPeople:
    """Return whom a camera of a capture shows; who is nobody of the reference is left out."""
    check_video(camera, video)
    known = known_frames(joints_m)
    images = {index: image for index, image in _frames(video, frames).items() if index < known.shape[1]}
    found, row = _find(list(images.values()), finder)
    focal, principal = np.full(len(row), camera.focal_px, np.float32), np.tile(camera.matrix[:2, 2], (len(row), 1))
    truth = np.full((len(row), 17, 3), np.nan)
    for place, index in enumerate(images):
        here, people = np.flatnonzero(row == place), np.flatnonzero(known[:, index])
        points = camera.to_camera(joints_m[people, index])
        count = len(people)
        boxes = joint_boxes(
            project_rows(points, np.full(count, camera.focal_px), np.tile(camera.matrix[:2, 2], (count, 1)))
        )
        for person, column in assign_boxes(box_overlaps(boxes, found.boxes_xyxy[here])):
            truth[here[column]] = points[person]
    everybody = SeenPeople(
        row, focal, principal.astype(np.float32), truth, _nothing(truth), found, list(images.values())
    )
    return everybody.take(np.flatnonzero(np.isfinite(truth[:, COCO_CHOICE.used]).all(axis=(1, 2))))


def _of_crops(folder: Path, limit: int) -> Iterator[SeenPeople]:
    for path in sorted(folder.glob("crops_*.npz")):
        try:
            shard = read_npz(path, KEYS, bytes_max=SHARD_BYTES_MAX)
            count = min(len(shard["image"]), limit)
            for start in range(0, count, CROPS_AT_ONCE):
                rows = slice(start, min(start + CROPS_AT_ONCE, count))
                yield _of_shard({key: values[rows] for key, values in shard.items()})
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{path}: not a shard of crops ({error}); make it anew with `data crops`") from error
        limit -= count
        if not limit:
            return


def _of_shard(crops: dict[str, np.ndarray]) -> SeenPeople:
    """Return the person of each crop, which is taken for an image, with the true keypoints that it shows."""
    count, side = len(crops["image"]), crops["image"].shape[-1]
    zoom = side / crops["box_px"]
    focal = crops["focal_px"] * zoom
    principal = (crops["principal_px"] - crops["box_centre_px"]) * zoom[:, None] + side / 2
    joints = crops["joints30_cam"].astype(np.float64)
    marked = joints.copy()
    for name, joint in (("left_outer_hip", "left_hip"), ("right_outer_hip", "right_hip")):
        parts = [share * joints[:, DPMESH30.index(part)] for part, share in JOINT_BLENDS[name].items()]
        marked[:, DPMESH30.index(joint)] = np.sum(parts, axis=0)
    is_shown = crops["visible30"] == SHOWN
    points = project_rows(marked, focal, principal)
    keypoints = np.where(is_shown[..., None], np.concatenate([points, np.ones((count, 30, 1))], axis=-1), 0.0)
    boxes = joint_boxes(np.where(is_shown[..., None], points, np.nan))
    found = Detections(
        np.where(np.isfinite(boxes), boxes, [0.0, 0.0, side, side]).astype(np.float32),
        np.ones(count, np.float32),
        keypoints[:, COCO_OF_30].astype(np.float32),
    )
    return SeenPeople(
        image_row=np.arange(count),
        focal_px=focal.astype(np.float32),
        principal_px=principal.astype(np.float32),
        truth_m=joints[:, :24],
        is_hidden=~is_shown[:, :24],
        found=found,
        images=list(np.ascontiguousarray(crops["image"].transpose(0, 2, 3, 1))),
    )


def _nothing(truth_m: np.ndarray) -> np.ndarray:
    return np.zeros(truth_m.shape[:2], bool)
