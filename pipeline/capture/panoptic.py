"""A sequence of CMU Panoptic: its 3D annotations, its frames and its cameras.

Annotations come in two layouts, one JSON file per HD frame, `body3DScene_%08d.json`:

- `hdPose3d_stage1_coco19` with `joints19`: neck, nose, body centre, then the left arm, left leg, right arm and right
  leg from the body outwards, then left eye, left ear, right eye, right ear;
- the older `hdPose3d_stage1` with `joints15`: the same without eyes and ears, and with the top of the head in place of
  the nose. Some sequences (160422_mafia2) have only this one.

In `joints19`, the neck is the middle of the shoulders and the body centre that of the hips (to 15 mm and exactly in
160906_band1); shoulders and hips are where people mark them in images, so that those of COCO can be compared with them.
In `joints15` (the joints of MPII) the neck is the upper end of the spine, above the shoulders.

Lengths are centimetres with y down, here metres with z up. A joint that was not found has a negative confidence. A body
with a negative id is an outlier and left out. The number of a file is that of the frame in all HD videos, from 0; the
first frames of a sequence have no file. Source: panoptic-toolbox of CMU-Perceptual-Computing-Lab (README,
python/show_frame.py).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from configs.checks import Shaped
from configs.errors import InputError
from configs.json_files import read_json
from configs.skeletons import COCO_NAMES
from pipeline.capture.capture import Capture, find_capture, find_videos
from pipeline.capture.spans import image_numbers
from pipeline.capture.units import Y_DOWN_TO_Z_UP

_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_LIMBS = tuple(f"{side}_{part}" for side in ("left", "right") for part in _PARTS)
JOINTS19 = ("neck", "nose", "body_centre", *_LIMBS, "left_eye", "left_ear", "right_eye", "right_ear")
JOINTS15 = ("neck", "head_top", "body_centre", *_LIMBS)
JOINTS = (*JOINTS19, "head_top")
"""The 20 joints that annotations are read as; those that a layout lacks are unknown."""
COCO17 = tuple(JOINTS.index(name) for name in COCO_NAMES)
"""Where COCO's keypoints are among `JOINTS`."""

FOLDERS = {"joints19": "hdPose3d_stage1_coco19", "joints15": "hdPose3d_stage1"}
"""Where each layout lies, the richer one first."""
LAYOUTS = {"joints19": JOINTS19, "joints15": JOINTS15}
CONFIDENCE_MIN = 0.1  # above it a joint is valid: so do CRMH's and VoxelPose's loaders
BYTES_MAX = 2**24
NAMES_SHOWN = 5
CALIBRATION_LAYOUT = "Panoptic"
OTHER_VIDEOS = ("vgaVideos", "vgaImgs", "kinectVideos", "kinectImgs", "kinect_shared_depth")
NOT_HD = (
    "frames of VGA and Kinect cameras have another rate and other numbers than those of HD cameras and of the "
    "annotations, and a table of times would be needed"
)
_FILE = re.compile(r"body3DScene_(\d{8})\.json")
FRAMES_MAX = 2**21  # 19 hours; a file of a higher number is none of a video
_CAMERA = re.compile(r"(\d\d)_(\d\d)")


@dataclass(frozen=True, slots=True)
class People(Shaped):
    """Annotated people, one row per person and frame, by frame."""

    frame_index: Annotated[np.ndarray, "R"]  # int64, as the HD videos count them
    person_id: Annotated[np.ndarray, "R"]  # int64; one person can have several over time
    joints_m: Annotated[np.ndarray, "R", 20, 3]  # of `JOINTS`, world, z up; NaN where unknown
    confidence: Annotated[np.ndarray, "R", 20]  # 0 where unknown

    @property
    def is_valid(self) -> np.ndarray:
        """Which joints (R, 20) the published protocols count."""
        return self.confidence > CONFIDENCE_MIN


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotation files of a sequence in one layout; they are read when they are asked for."""

    folder: Path
    layout: str
    files: dict[int, Path]
    """By frame, in order; also of frames in which nobody was found."""
    problems: list[str] = field(default_factory=list)
    """Which files could not be read so far, and why."""

    @property
    def frames(self) -> np.ndarray:
        """The annotated frames (F,)."""
        return np.fromiter(self.files, np.int64, len(self.files))

    def read(self, frames: Iterable[int] | None = None) -> People:
        """Return the people of some annotated frames, or of all; a file that cannot be read is named and left out.

        Raises:
            InputError: no file could be read.
        """
        wanted = list(self.files if frames is None else frames)
        rows: list[tuple[int, int, np.ndarray]] = []
        failed = 0
        for frame in wanted:
            try:
                rows += [(frame, *body) for body in read_bodies(self.files[frame], self.layout)]
            except InputError as error:
                failed += 1
                self.problems.append(str(error))
        if wanted and failed == len(wanted):
            raise InputError(f"{self.folder}: none of {failed} annotation files can be read ({self.problems[-1]})")
        joints = np.array([row[2] for row in rows], np.float64).reshape(-1, len(JOINTS), 4)
        return People(
            frame_index=np.array([row[0] for row in rows], np.int64),
            person_id=np.array([row[1] for row in rows], np.int64),
            joints_m=joints[..., :3],
            confidence=joints[..., 3],
        )

    @property
    def problem(self) -> str:
        """Return how many files could not be read, with the first ones; empty: all were read."""
        if not self.problems:
            return ""
        more = f" and {len(self.problems) - NAMES_SHOWN} more" if len(self.problems) > NAMES_SHOWN else ""
        return f"{len(self.problems)} annotation files left out: {'; '.join(self.problems[:NAMES_SHOWN])}{more}"

    @property
    def summary(self) -> str:
        """Return which frames are annotated, in a line."""
        frames = self.frames
        gaps = int((np.diff(frames) > 1).sum())
        return (
            f"{self.folder.name}: {len(frames)} annotated frames ({self.layout}), {frames[0]} to {frames[-1]}, "
            f"{gaps} {'gap' if gaps == 1 else 'gaps'}"
        )


def find_annotations(folder: Path, layouts: Sequence[str] = tuple(FOLDERS)) -> Annotations | None:
    """Return a sequence's annotations in the first of some layouts that is there."""
    for layout in layouts:
        place = folder / FOLDERS[layout]
        found = {}
        for path in sorted(place.iterdir()) if place.is_dir() else []:
            named = _FILE.fullmatch(path.name)
            if named is not None and int(named[1]) < FRAMES_MAX:
                found[int(named[1])] = path
        if found:
            return Annotations(place, layout, dict(sorted(found.items())))
    return None


def needed_annotations(folder: Path, layouts: Sequence[str] = tuple(FOLDERS)) -> Annotations:
    """Return a sequence's annotations.

    Raises:
        InputError: there are none, or they were not unpacked.
    """
    found = find_annotations(folder, layouts)
    if found is not None:
        return found
    names = [FOLDERS[layout] for layout in layouts]
    packed = [name for name in names if (folder / f"{name}.tar").is_file()]
    if packed:
        raise InputError(f"{folder}: {packed[0]}.tar was not unpacked: tar -xf {packed[0]}.tar")
    raise InputError(
        f"{folder}: no annotations: no body3DScene_*.json in {' or '.join(f'{name}/' for name in names)}; download "
        f"{names[0]}.tar of the sequence and unpack it there"
    )


def read_bodies(path: Path, layout: str) -> list[tuple[int, np.ndarray]]:
    """Return the id of each body in a file, and its joints (20, 4): x, y, z in metres, z up, and confidence.

    Raises:
        InputError: the file is damaged or of another layout.
    """
    found = read_json(path, bytes_max=BYTES_MAX, is_nan_allowed=True)
    bodies = found.get("bodies") if isinstance(found, dict) else None
    if not isinstance(bodies, list):
        raise InputError(f"{path}: has no list 'bodies'; download it again")
    people: dict[int, np.ndarray] = {}
    for body in bodies:
        number, joints = _body(path, body, layout)
        before = people.get(number)
        if number >= 0 and (before is None or (joints[:, 3] > 0).sum() > (before[:, 3] > 0).sum()):
            people[number] = joints  # of two bodies with one id, the fuller one
    return list(people.items())


def _body(path: Path, body: Any, layout: str) -> tuple[int, np.ndarray]:
    names = LAYOUTS[layout]
    try:
        number, values = int(np.int32(body["id"])), np.array(body[layout], np.float64).reshape(len(names), 4)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: a body without id or without {len(names)} x 4 numbers in {layout!r} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:80]}); download it again"
        ) from error
    joints = np.full((len(JOINTS), 4), np.nan)
    joints[:, 3] = 0.0
    is_known = np.isfinite(values).all(axis=1) & (values[:, 3] > 0)
    places = np.array([JOINTS.index(name) for name in names])[is_known]
    joints[places, :3] = 0.01 * values[is_known, :3] @ Y_DOWN_TO_Z_UP.T
    joints[places, 3] = values[is_known, 3]
    return number, joints


def coco17_reference(people: People) -> np.ndarray:
    """Return COCO's joints (P, T, 17, 3) of everybody by id, frame 0 first, world metres; NaN where not valid."""
    ids, which = np.unique(people.person_id, return_inverse=True)
    count = int(people.frame_index.max(initial=-1)) + 1
    joints = np.where(people.is_valid[..., None], people.joints_m, np.nan)[:, COCO17]
    reference = np.full((len(ids), count, len(COCO17), 3), np.nan)
    reference[which, people.frame_index] = joints
    return reference


def find_sequence(folder: Path) -> Capture:
    """Return a sequence as a capture of its HD cameras, any of them.

    Raises:
        InputError: it is no sequence of Panoptic, or no HD camera has a video.
    """
    others = [name for name in OTHER_VIDEOS if (folder / name).is_dir()]
    if others and not find_videos(folder):
        raise InputError(f"{folder}: has {', '.join(others)} alone: {NOT_HD}; download hdVideos/")
    capture = find_capture(folder)
    calibration = capture.calibration
    if calibration.layout != CALIBRATION_LAYOUT:
        raise InputError(
            f"{calibration.path}: a calibration of layout {calibration.layout}; a Panoptic sequence has "
            f"calibration_{folder.name}.json; for any other rig: dpmesh-video multiview {folder}"
        )
    return capture


def frame_numbers(capture: Capture, camera: str) -> np.ndarray | None:
    """Return which frame (F,) of the sequence each image of a camera is; None of a video, and of other captures.

    Images of a part of a sequence keep their numbers: `00_16_00000168.jpg` belongs to annotation 168.

    Raises:
        InputError: an image has no number, or that of another one.
    """
    video = capture.videos[camera]
    is_numbered = capture.calibration.layout == CALIBRATION_LAYOUT and video.is_dir()
    return image_numbers(video) if is_numbered else None


def hd_names(text: str) -> list[str]:
    """Return the names of HD cameras in a list such as 00_16,00_30, or 16,30 for short.

    Raises:
        InputError: one is a VGA or a Kinect camera, or no name of a camera.
    """
    names = []
    for word in text.split(","):
        name = f"00_{int(word):02d}" if word.strip().isdecimal() and len(word.strip()) < 3 else word.strip()
        parts = _CAMERA.fullmatch(name)
        if parts is None:
            raise InputError(f"--cameras: {word!r} is no camera of Panoptic; name them 00_00 to 00_30, or 0 to 30")
        if parts[1] != "00":
            kind = "a Kinect" if parts[1] == "50" else "a VGA camera"
            raise InputError(f"--cameras: {name} is {kind}: {NOT_HD}; choose HD cameras, 00_00 to 00_30")
        names.append(name)
    return names
