"""The people of a file on their way to arrays: a row each, whatever tool wrote them."""

from array import array
from dataclasses import dataclass, field

import numpy as np

from configs.errors import InputError
from trackers.keypoint_layouts import KEPT_NAMES, LAYOUTS, KeypointLayout, layouts_of, to_kept

FrameKey = int | str  # a frame's index, or a file name that stands for it


@dataclass(frozen=True, slots=True)
class FilePerson:
    """One person of a frame, as a file has it."""

    points: np.ndarray  # (K, 3) float32 x, y, confidence, in the file's order and unit; not seen: all zero
    box_xyxy: np.ndarray | None = None  # (4,); None = goes round the keypoints
    score: float | None = None  # None = the mean confidence of the keypoints that are seen
    track_id: int | None = None  # None = the file names none


@dataclass(slots=True)
class PeopleRows:
    """People of all frames, collected one by one; only the supported keypoints are stored."""

    wanted: KeypointLayout | None = None  # None = recognise it
    count: int = 0  # of points per person; 0 = nobody yet
    layouts: tuple[KeypointLayout, ...] = ()  # that have so many
    frames: dict[FrameKey, int] = field(default_factory=dict)  # every frame that is named, also those without people
    _frame: array = field(default_factory=lambda: array("q"))
    _points: array = field(default_factory=lambda: array("f"))
    _boxes: array = field(default_factory=lambda: array("f"))
    _scores: array = field(default_factory=lambda: array("d"))
    _ids: array = field(default_factory=lambda: array("q"))
    _has_id: array = field(default_factory=lambda: array("b"))

    def add_frame(self, frame: FrameKey) -> None:
        """Name a frame, with people or without."""
        self.frames.setdefault(frame, len(self.frames))

    def add(self, frame: FrameKey, person: FilePerson, label: str) -> None:
        """Take a person in; one without any keypoint is nobody, but names the frame."""
        self.add_frame(frame)
        if len(person.points) == 0:
            return
        if len(person.points) != self.count:
            self._begin(len(person.points), label)
        if not person.points[:, 2].any():
            return
        points = to_kept(person.points, self.layouts[0]) if len(self.layouts) == 1 else person.points
        self._frame.append(self.frames[frame])
        self._points.frombytes(np.ascontiguousarray(points, np.float32).tobytes())
        box = np.full(4, np.nan, np.float32) if person.box_xyxy is None else person.box_xyxy.astype(np.float32)
        self._boxes.frombytes(box.tobytes())
        self._scores.append(float("nan") if person.score is None else person.score)
        self._ids.append(0 if person.track_id is None else person.track_id)
        self._has_id.append(person.track_id is not None)

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def frame(self) -> np.ndarray:
        """(R,) int64, the number that `frames` gives a frame."""
        return np.array(self._frame, np.int64)

    @property
    def points(self) -> np.ndarray:
        """(R, 23, 3) float32 kept points of one layout, or (R, K, 3) where several are possible."""
        width = len(self._points) // len(self) // 3 if len(self) else len(KEPT_NAMES)
        return np.frombuffer(self._points, np.float32).reshape(len(self), width, 3)

    @property
    def boxes_xyxy(self) -> np.ndarray:
        """(R, 4) float32, NaN where the file has none."""
        return np.frombuffer(self._boxes, np.float32).reshape(-1, 4)

    @property
    def scores(self) -> np.ndarray:
        """(R,) float64, NaN where the file has none."""
        return np.array(self._scores, np.float64)

    @property
    def track_ids(self) -> np.ndarray:
        """(R,) int64, of rows that have one (`has_id`)."""
        return np.array(self._ids, np.int64)

    @property
    def has_id(self) -> np.ndarray:
        """(R,) bool."""
        return np.array(self._has_id, bool)

    def _begin(self, count: int, label: str) -> None:
        if self.count:
            raise InputError(f"{label} has {count} keypoints, those before it {self.count}; give files of one layout")
        if self.wanted is not None:
            if count != self.wanted.count:
                wanted = f"{self.wanted.title} has {self.wanted.count}"
                raise InputError(f"{label} has {count} keypoints, {wanted}; give another --keypoints-format, or none")
            self.layouts = (self.wanted,)
        else:
            self.layouts = layouts_of(count)
        if not self.layouts:
            raise InputError(f"{label} has {count} keypoints ({3 * count} numbers); known are {_known()}")
        self.count = count


def _known() -> str:
    by_count: dict[int, list[str]] = {}
    for layout in LAYOUTS.values():
        by_count.setdefault(layout.count, []).append(layout.title)
    return ", ".join(f"{count} ({' or '.join(titles)})" for count, titles in sorted(by_count.items()))
