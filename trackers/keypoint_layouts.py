"""Keypoint orders of other tools: the name of every point, and from these the 17 COCO keypoints and six foot points."""

from dataclasses import dataclass

import numpy as np

from configs.skeletons import COCO_NAMES, LANDMARKS, OPENPOSE25

FOOT_NAMES = LANDMARKS[6:]  # COCO-WholeBody's order
KEPT_NAMES = COCO_NAMES + FOOT_NAMES
NAMED_OTHERWISE = {
    "leye": "left_eye", "reye": "right_eye", "lear": "left_ear", "rear": "right_ear",
    "left_foot": "left_ankle", "right_foot": "right_ankle", "left_toe": "left_big_toe", "right_toe": "right_big_toe",
}  # fmt: skip
SIDES = {"l": "left", "r": "right", "lt": "left", "rt": "right"}


@dataclass(frozen=True, slots=True)
class KeypointLayout:
    """One order of keypoints."""

    name: str  # as `detect.keypoints_format` has it
    title: str  # as people call it
    points: tuple[str, ...]  # what each point is; those beyond `KEPT_NAMES` are not used
    count: int  # of a person's points, at least `len(points)`: hands and faces stand behind the body
    midpoints: tuple[tuple[int, int, int], ...] = ()  # (p, a, b): point p lies midway between a and b, in any image

    @property
    def rows(self) -> tuple[int, ...]:
        """Row of each of `KEPT_NAMES`, -1 where the layout has no such point."""
        return tuple(self.points.index(name) if name in self.points else -1 for name in KEPT_NAMES)

    @property
    def has_feet(self) -> bool:
        """Whether it has a point of a foot beside the ankles."""
        return any(name in FOOT_NAMES for name in self.points)


_H36M = (
    "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax neck head left_shoulder "
    "left_elbow left_wrist right_shoulder right_elbow right_wrist"
)
_BODY_25 = [name.replace("mid_shoulder", "neck").replace("outer_", "") for name in OPENPOSE25]
_BODY_18 = [name for name in _BODY_25[:19] if name != "mid_hip"]
_BODY_25B = [*COCO_NAMES, "upper_neck", "head_top", *FOOT_NAMES]
_HALPE = [
    *COCO_NAMES, "head", "neck", "mid_hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
    "left_heel", "right_heel",
]  # fmt: skip
_MEDIAPIPE = (
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
    "mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky "
    "right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle left_heel right_heel left_big_toe right_big_toe"  # the last two: "foot index", the tip of the foot
)

# Sources: OpenPose doc/02_output.md and poseParameters.cpp; Halpe-FullBody README; COCO-WholeBody README; MMPose
# datasets h36m.py; MediaPipe Pose Landmarker guide.
LAYOUTS = {
    layout.name: layout
    for layout in (
        KeypointLayout("coco17", "COCO-17", COCO_NAMES, 17),
        KeypointLayout("h36m17", "Human3.6M-17", tuple(_H36M.split()), 17, ((0, 1, 4), (8, 11, 14))),
        KeypointLayout("openpose18", "OpenPose COCO-18", tuple(_BODY_18), 18, ((1, 2, 5),)),
        KeypointLayout("coco18", "COCO-17 with the neck behind", (*COCO_NAMES, "neck"), 18, ((17, 5, 6),)),
        KeypointLayout("coco23", "COCO-17 with six foot points", KEPT_NAMES, 23),
        KeypointLayout("body25", "OpenPose BODY_25", tuple(_BODY_25), 25, ((1, 2, 5), (8, 9, 12))),
        KeypointLayout("body25b", "OpenPose BODY_25B", tuple(_BODY_25B), 25),
        KeypointLayout("halpe26", "Halpe-26", tuple(_HALPE), 26),
        KeypointLayout("mediapipe33", "MediaPipe-33", tuple(_MEDIAPIPE.split()), 33),
        KeypointLayout("wholebody133", "COCO-WholeBody-133", KEPT_NAMES, 133),
        KeypointLayout("body135", "OpenPose BODY_135", tuple(_BODY_25B), 135),
        KeypointLayout("halpe136", "Halpe-136", tuple(_HALPE), 136),
    )
}


KEPT = LAYOUTS["coco23"]  # the order of `KEPT_NAMES`


def layouts_of(count: int) -> tuple[KeypointLayout, ...]:
    """Return the layouts with this many points."""
    return tuple(layout for layout in LAYOUTS.values() if layout.count == count)


def layout_of_names(names: list[str]) -> KeypointLayout | None:
    """Return the layout of points that are named, as COCO's categories do, or None where too few names are known."""
    points = tuple(_plain(name) for name in names)
    known = {name for name in points if name in COCO_NAMES}
    # Every limb, else somebody's own names would silently leave people without arms.
    is_whole = set(COCO_NAMES[5:]) <= known and len(set(points)) == len(points)
    return KeypointLayout("named", "the names of its points", points, len(points)) if is_whole else None


def to_kept(points: np.ndarray, layout: KeypointLayout) -> np.ndarray:
    """Return (..., 23, 3) COCO keypoints and foot points of points (..., K, 3); what a layout lacks is all zero."""
    rows = np.array(layout.rows)
    kept: np.ndarray = points[..., rows, :]  # -1 takes the last, for a moment
    kept[..., rows < 0, :] = 0
    return kept


def _plain(name: str) -> str:
    """Return a point's name as `KEPT_NAMES` writes it, e.g. left_hip of "L_Hip", "left hip" and "leftHip"."""
    spaced = "".join(f"_{letter}" if letter.isupper() else letter for letter in name) if _is_camel(name) else name
    words = [word for word in spaced.lower().replace("-", "_").replace(" ", "_").replace(".", "_").split("_") if word]
    if words and words[-1] in ("left", "right", "l", "r"):
        words = [words[-1], *words[:-1]]
    if words:
        words[0] = SIDES.get(words[0], words[0])
    plain = "_".join(words)
    return NAMED_OTHERWISE.get(plain, plain)


def _is_camel(name: str) -> bool:
    return not name.isupper() and not any(sign in name for sign in "_- .") and any(c.isupper() for c in name)
